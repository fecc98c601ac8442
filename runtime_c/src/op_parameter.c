/* SPDX-License-Identifier: MIT */
/* y = the value, the same for every sample. No inputs, no attributes. Slices:
 * the value. */
#include "jet.h"

void BPFREE_KERNEL(op_parameter)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t sides = bpfree_sides(pass, node);
  for (uint32_t side = 0; side < sides; side++) BPFREE_KERNEL(bias_rows)(pass, node, 0, side);
}

void BPFREE_KERNEL(jet_parameter)(const bpfree_jets *jets, const bpfree_node *node)
{
  BPFREE_KERNEL(jet_layer)(jets, node, 0);
}
