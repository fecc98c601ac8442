/* SPDX-License-Identifier: MIT */
/* y = x under another shape: nothing to do where the plan put both in one
 * place. No attributes, no parameters. */
#include "elementwise.h"
#include "jet.h"

void BPFREE_KERNEL(op_flatten)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t sides = bpfree_sides(pass, node);
  BPFREE_PIECES(pass->model, node, first)
    for (uint32_t side = 0; side < sides; side++) {
      const float *x = BPFREE_KERNEL(input_at)(pass, node, 0, side, first);
      float *y = BPFREE_KERNEL(result_at)(pass, node, side, first);
      const uint32_t floats = bpfree_piece(pass->model, node) * bpfree_samples(pass);
      for (uint32_t i = 0; x != y && i < floats; i++) y[i] = x[i];
    }
}

BPFREE_SLOPE(flatten, 1.0f)

void BPFREE_KERNEL(jet_flatten)(const bpfree_jets *jets, const bpfree_node *node)
{
  BPFREE_KERNEL(jet_layer)(jets, node, 0);
}
