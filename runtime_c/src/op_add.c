/* SPDX-License-Identifier: MIT */
/* y = a + b, two inputs of one shape; may run in place of the first. No
 * attributes, no parameters. */
#include "jet.h"

void BPFREE_KERNEL(op_add)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t sides = bpfree_sides(pass, node);
  BPFREE_PIECES(pass->model, node, first)
    for (uint32_t side = 0; side < sides; side++) {
      const float *a = BPFREE_KERNEL(input_at)(pass, node, 0, side, first), *b = BPFREE_KERNEL(input_at)(pass, node, 1, side, first);
      float *y = BPFREE_KERNEL(result_at)(pass, node, side, first);
      const uint32_t floats = bpfree_piece(pass->model, node) * bpfree_samples(pass);
      for (uint32_t i = 0; i < floats; i++) y[i] = a[i] + b[i];
    }
}

void BPFREE_KERNEL(jet_add)(const bpfree_jets *jets, const bpfree_node *node)
{
  BPFREE_KERNEL(jet_layer)(jets, node, 0);
}
