/* SPDX-License-Identifier: MIT */
/* y = fl(fl(factor x) + offset), two constants. Attributes: {bits of factor,
 * bits of offset}. No parameters; may run in place. */
#include "bits.h"
#include "elementwise.h"
#include "jet.h"

void BPFREE_KERNEL(op_scale)(const bpfree_pass *pass, const bpfree_node *node)
{
  const float factor = bpfree_float32(node->attributes[0]), offset = bpfree_float32(node->attributes[1]);
  const uint32_t sides = bpfree_sides(pass, node), count = bpfree_elements(pass, node);
  for (uint32_t side = 0; side < sides; side++) {
    const float *x = bpfree_input(pass, node, 0, side);
    float *y = bpfree_result(pass, node, side);
    for (uint32_t i = 0; i < count; i++) y[i] = x[i] * factor + offset;
  }
}

BPFREE_SLOPE(scale, bpfree_float32(node->attributes[0]))
BPFREE_JET_STRAIGHT(scale, x * bpfree_float32(node->attributes[0]) + bpfree_float32(node->attributes[1]),
                    bpfree_float32(node->attributes[0]))
