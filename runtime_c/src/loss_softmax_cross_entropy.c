/* SPDX-License-Identifier: MIT */
/* L = log sum_c exp(y_c - max) - (y_label - max), per sample; sums run over
 * ascending c. */
#include "kernel.h"
#include "math32.h"

/* At a time; not a constant number of them, which compilers unroll instead of making vectors of it. */
#if BPFREE_LANES == 1
#define SAMPLES 1u
#else
#define SAMPLES 64u
#endif

void BPFREE_KERNEL(loss_softmax_cross_entropy)(const float *y, uint32_t outputs, const uint32_t *labels,
                                               const float *targets, uint32_t n, float *values)
{
  (void)targets;
  for (uint32_t first = 0; first < n; first += SAMPLES) {
    const uint32_t count = SAMPLES == 1 || n - first >= SAMPLES ? SAMPLES : n - first;
    float largest[SAMPLES], sum[SAMPLES], own[SAMPLES];
    const float *const x = y + first;
    for (uint32_t s = 0; s < count; s++) {
      largest[s] = x[s];
      sum[s] = 0.0f;
      own[s] = x[labels[first + s] * n + s];
    }
    for (uint32_t c = 1; c < outputs; c++)
      for (uint32_t s = 0; s < count; s++) largest[s] = x[c * n + s] > largest[s] ? x[c * n + s] : largest[s];
    for (uint32_t c = 0; c < outputs; c++)
      for (uint32_t s = 0; s < count; s++) sum[s] += bpfree_exp32(x[c * n + s] - largest[s]);
    for (uint32_t s = 0; s < count; s++) values[first + s] = bpfree_log32(sum[s]) - (own[s] - largest[s]);
  }
}
