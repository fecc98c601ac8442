/* SPDX-License-Identifier: MIT */
/* The kernel of y = f(x), element by element; may run in place. */
#ifndef BPFREE_ELEMENTWISE_H
#define BPFREE_ELEMENTWISE_H

#include "kernel.h"

#define BPFREE_ELEMENTWISE(op, f)                                               \
  void BPFREE_KERNEL(op)(const bpfree_pass *pass, const bpfree_node *node)      \
  {                                                                             \
    const uint32_t sides = bpfree_sides(pass, node), count = bpfree_elements(pass, node); \
    for (uint32_t side = 0; side < sides; side++) {                             \
      const float *x = bpfree_input(pass, node, 0, side);                       \
      float *y = bpfree_result(pass, node, side);                               \
      for (uint32_t i = 0; i < count; i++) y[i] = f(x[i]);                      \
    }                                                                           \
  }

#endif
