/* SPDX-License-Identifier: MIT */
/* L = log sum_c exp(y_c - max) - (y_label - max), per sample; sums run over
 * ascending c. */
#include "kernel.h"
#include "math32.h"

void BPFREE_KERNEL(loss_softmax_cross_entropy)(const float *y, uint32_t outputs, const uint32_t *labels,
                                               const float *targets, uint32_t n, float *values)
{
  (void)targets;
  for (uint32_t s = 0; s < n; s += BPFREE_LANES) { /* one register of samples at a time */
    float largest[BPFREE_LANES], sum[BPFREE_LANES];
    for (uint32_t v = 0; v < BPFREE_LANES; v++) largest[v] = y[s + v];
    for (uint32_t c = 1; c < outputs; c++)
      for (uint32_t v = 0; v < BPFREE_LANES; v++) {
        const float score = y[c * n + s + v];
        largest[v] = score > largest[v] ? score : largest[v];
      }
    for (uint32_t v = 0; v < BPFREE_LANES; v++) sum[v] = 0.0f;
    for (uint32_t c = 0; c < outputs; c++)
      for (uint32_t v = 0; v < BPFREE_LANES; v++) sum[v] += bpfree_exp32(y[c * n + s + v] - largest[v]);
    for (uint32_t v = 0; v < BPFREE_LANES; v++)
      values[s + v] = bpfree_log32(sum[v]) - (y[labels[s + v] * n + s + v] - largest[v]);
  }
}
