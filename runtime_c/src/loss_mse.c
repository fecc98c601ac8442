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

#if BPFREE_LANES == 1
/* The errors y - t. */
static void prepare(const float *y, uint32_t outputs, const bpfree_target *target, float *aid)
{
  for (uint32_t o = 0; o < outputs; o++) aid[o] = y[o] - target->values[o];
}

/* 2 (y - t) / outputs. */
static void gradient(const float *aid, uint32_t outputs, const bpfree_target *target, float *delta)
{
  (void)target;
  const float share = 1.0f / (float)outputs;
  for (uint32_t o = 0; o < outputs; o++) delta[o] = (aid[o] + aid[o]) * share;
}

/* (2 s w.(y - t) + s^2 w.w) / outputs. */
static float change(const float *aid, uint32_t outputs, const bpfree_target *target, const float *column,
                    uint32_t stride, float s)
{
  (void)target;
  float along = 0.0f, own = 0.0f;
  for (uint32_t o = 0; o < outputs; o++) {
    const float w = column[o * stride];
    along += w * aid[o];
    own += w * w;
  }
  return (s * (along + along) + (s * s) * own) * (1.0f / (float)outputs);
}

const bpfree_closed BPFREE_KERNEL(closed_mse) = {prepare, gradient, change};
#endif
