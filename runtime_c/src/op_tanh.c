/* SPDX-License-Identifier: MIT */
/* y = tanh(x), elementwise. No attributes, no parameters; may run in place. */
#include "kernel.h"
#include "math32.h"

void BPFREE_KERNEL(op_tanh)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t sides = bpfree_sides(pass, node), count = bpfree_elements(pass, node);
  for (uint32_t side = 0; side < sides; side++) {
    const float *x = bpfree_input(pass, node, 0, side);
    float *y = bpfree_result(pass, node, side);
    for (uint32_t i = 0; i < count; i++) y[i] = bpfree_tanh32(x[i]);
  }
}
