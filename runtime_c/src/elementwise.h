/* SPDX-License-Identifier: MIT */
/* The kernel of y = f(x), element by element; may run in place. */
#ifndef BPFREE_ELEMENTWISE_H
#define BPFREE_ELEMENTWISE_H

#include "kernel.h"

#define BPFREE_ELEMENTWISE(op, f)                                          \
  void BPFREE_KERNEL(op)(const bpfree_pass *pass, const bpfree_node *node) \
  {                                                                        \
    const uint32_t sides = bpfree_sides(pass, node);                       \
    BPFREE_PIECES(pass->model, node, first)                                \
      for (uint32_t side = 0; side < sides; side++) {                      \
        const float *x = BPFREE_KERNEL(input_at)(pass, node, 0, side, first);      \
        float *y = BPFREE_KERNEL(result_at)(pass, node, side, first);              \
        const uint32_t floats = bpfree_piece(pass->model, node) * bpfree_samples(pass); \
        for (uint32_t i = 0; i < floats; i++) y[i] = f(x[i]);              \
      }                                                                    \
  }

/* Its slope: delta[i] times f, an expression of x[i] or y[i]; which, says the
 * row in bpfree/ops (`reads`): the other may be gone. What is read has been kept,
 * so it has one row. Of one lane: what looks into the layers streams samples. */
#if BPFREE_LANES == 1
#define BPFREE_SLOPE(name, f)                                                                      \
  void BPFREE_KERNEL(slope_##name)(const bpfree_pass *pass, const bpfree_node *node, float *delta) \
  {                                                                                                \
    const float *x = bpfree_input(pass, node, 0, 0), *y = bpfree_result(pass, node, 0);            \
    const uint32_t count = bpfree_result_tensor(pass, node)->size;                                 \
    (void)x;                                                                                       \
    (void)y;                                                                                       \
    for (uint32_t i = 0; i < count; i++) delta[i] = (f) * delta[i];                                \
  }
#else
#define BPFREE_SLOPE(name, f)
#endif

#endif
