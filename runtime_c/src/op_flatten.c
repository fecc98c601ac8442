/* SPDX-License-Identifier: MIT */
/* y = x under another shape: nothing to do where the plan put both in one
 * place. No attributes, no parameters. */
#include "elementwise.h"
#include "jet.h"

void BPFREE_KERNEL(op_flatten)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t sides = bpfree_sides(pass, node), count = bpfree_elements(pass, node);
  for (uint32_t side = 0; side < sides; side++) {
    const float *x = bpfree_input(pass, node, 0, side);
    float *y = bpfree_result(pass, node, side);
    for (uint32_t i = 0; x != y && i < count; i++) y[i] = x[i];
  }
}

BPFREE_SLOPE(flatten, 1.0f)

void BPFREE_KERNEL(jet_flatten)(const bpfree_jets *jets, const bpfree_node *node)
{
  BPFREE_KERNEL(jet_layer)(jets, node, 0);
}
