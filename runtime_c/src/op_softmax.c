/* SPDX-License-Identifier: MIT */
/* y_c = exp(x_c - max x) / sum_c exp(x_c - max x), per sample; the sum runs
 * over ascending c. No attributes, no parameters; may run in place. Scratch:
 * the maximum and the sum, one of each a sample. */
#include "kernel.h"
#include "math32.h"

void BPFREE_KERNEL(op_softmax)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t n = bpfree_samples(pass), classes = pass->model->tensors[node->output].size;
  const uint32_t sides = bpfree_sides(pass, node);
  float *const largest = pass->arena + node->scratch * n, *const sum = largest + n;
  for (uint32_t side = 0; side < sides; side++) {
    const float *x = bpfree_input(pass, node, 0, side);
    float *y = bpfree_result(pass, node, side);
    for (uint32_t s = 0; s < n; s++) {
      largest[s] = x[s];
      sum[s] = 0.0f;
    }
    for (uint32_t c = 1; c < classes; c++)
      for (uint32_t s = 0; s < n; s++) largest[s] = x[c * n + s] > largest[s] ? x[c * n + s] : largest[s];
    for (uint32_t c = 0; c < classes; c++)
      for (uint32_t s = 0; s < n; s++) {
        y[c * n + s] = bpfree_exp32(x[c * n + s] - largest[s]);
        sum[s] += y[c * n + s];
      }
    for (uint32_t c = 0; c < classes; c++)
      for (uint32_t s = 0; s < n; s++) y[c * n + s] = y[c * n + s] / sum[s];
  }
}
