/* SPDX-License-Identifier: MIT */
/* y = fl(fl(factor x) + offset), two constants. Attributes: {bits of factor,
 * bits of offset}. No parameters; may run in place. */
#include "bits.h"
#include "elementwise.h"
#include "jet.h"

void BPFREE_KERNEL(op_scale)(const bpfree_pass *pass, const bpfree_node *node)
{
  const float factor = bpfree_float32(node->attributes[0]), offset = bpfree_float32(node->attributes[1]);
  const uint32_t sides = bpfree_sides(pass, node);
  BPFREE_PIECES(pass->model, node, first)
    for (uint32_t side = 0; side < sides; side++) {
      const float *x = BPFREE_KERNEL(input_at)(pass, node, 0, side, first);
      float *y = BPFREE_KERNEL(result_at)(pass, node, side, first);
      const uint32_t floats = bpfree_piece(pass->model, node) * bpfree_samples(pass);
      for (uint32_t i = 0; i < floats; i++) y[i] = x[i] * factor + offset;
    }
}

BPFREE_SLOPE(scale, bpfree_float32(node->attributes[0]))
BPFREE_JET_STRAIGHT(scale, x * bpfree_float32(node->attributes[0]) + bpfree_float32(node->attributes[1]),
                    bpfree_float32(node->attributes[0]))
