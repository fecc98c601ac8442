/* SPDX-License-Identifier: MIT */
/* y = x > 0 ? x : 0, elementwise (NaN gives 0). No attributes, no parameters;
 * may run in place. */
#include "kernel.h"

void BPFREE_KERNEL(op_relu)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t sides = bpfree_sides(pass, node), count = bpfree_elements(pass, node);
  for (uint32_t side = 0; side < sides; side++) {
    const float *x = bpfree_input(pass, node, 0, side);
    float *y = bpfree_result(pass, node, side);
    for (uint32_t i = 0; i < count; i++) y[i] = x[i] > 0.0f ? x[i] : 0.0f;
  }
}
