/* SPDX-License-Identifier: MIT */
/* L = (1 / outputs) sum_o (y_o - t_o)^2, per sample; o ascending, one multiply
 * by fl(1 / outputs) at the end. */
#include "kernel.h"

void BPFREE_KERNEL(loss_mse)(const float *y, uint32_t outputs, const uint32_t *labels, const float *targets,
                             uint32_t n, float *values)
{
  (void)labels;
  const float share = 1.0f / (float)outputs;
  for (uint32_t s = 0; s < n; s++) values[s] = 0.0f;
  for (uint32_t o = 0; o < outputs; o++)
    for (uint32_t s = 0; s < n; s++) {
      const float error = y[o * n + s] - targets[o * n + s];
      values[s] += error * error;
    }
  for (uint32_t s = 0; s < n; s++) values[s] *= share;
}
