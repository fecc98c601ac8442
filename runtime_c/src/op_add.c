/* SPDX-License-Identifier: MIT */
/* y = a + b, two inputs of one shape; may run in place of the first. No
 * attributes, no parameters. */
#include "jet.h"

void BPFREE_KERNEL(op_add)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t sides = bpfree_sides(pass, node), count = bpfree_elements(pass, node);
  for (uint32_t side = 0; side < sides; side++) {
    const float *a = bpfree_input(pass, node, 0, side), *b = bpfree_input(pass, node, 1, side);
    float *y = bpfree_result(pass, node, side);
    for (uint32_t i = 0; i < count; i++) y[i] = a[i] + b[i];
  }
}

void BPFREE_KERNEL(jet_add)(const bpfree_jets *jets, const bpfree_node *node)
{
  BPFREE_KERNEL(jet_layer)(jets, node, 0);
}
