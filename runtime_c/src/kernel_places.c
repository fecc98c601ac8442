/* SPDX-License-Identifier: MIT */
/* Where the tensors of a node lie. */
#include "kernel.h"

#if BPFREE_GAPS
const float *BPFREE_KERNEL(input_at)(const bpfree_pass *pass, const bpfree_node *node, uint32_t which, uint32_t side,
                                     uint32_t first)
{
  const uint32_t place = bpfree_place(bpfree_input_tensor(pass, node, which), first);
  return bpfree_input(pass, node, which, side) + place * bpfree_samples(pass);
}

float *BPFREE_KERNEL(result_at)(const bpfree_pass *pass, const bpfree_node *node, uint32_t side, uint32_t first)
{
  const uint32_t place = bpfree_place(bpfree_result_tensor(pass, node), first);
  return bpfree_result(pass, node, side) + place * bpfree_samples(pass);
}
#endif
