/* SPDX-License-Identifier: MIT */
/* L = (1 / outputs) sum_o |y_o - t_o|, per sample; o ascending, one multiply
 * by fl(1 / outputs) at the end. */
#include "kernel.h"

void BPFREE_KERNEL(loss_mae)(const float *y, uint32_t outputs, const uint32_t *labels, const float *targets,
                             uint32_t n, float *values)
{
  (void)labels;
  const float share = 1.0f / (float)outputs;
  for (uint32_t s = 0; s < n; s++) values[s] = 0.0f;
  for (uint32_t o = 0; o < outputs; o++)
    for (uint32_t s = 0; s < n; s++) {
      const float error = y[o * n + s] - targets[o * n + s];
      values[s] += error < 0.0f ? -error : error;
    }
  for (uint32_t s = 0; s < n; s++) values[s] *= share;
}

#if BPFREE_LANES == 1
/* The errors y - t. */
static void prepare(const float *y, uint32_t outputs, const bpfree_target *target, float *aid)
{
  for (uint32_t o = 0; o < outputs; o++) aid[o] = y[o] - target->values[o];
}

/* sign(y - t) / outputs. */
static void gradient(const float *aid, uint32_t outputs, const bpfree_target *target, float *delta)
{
  (void)target;
  const float share = 1.0f / (float)outputs;
  for (uint32_t o = 0; o < outputs; o++) delta[o] = aid[o] > 0.0f ? share : aid[o] < 0.0f ? -share : 0.0f;
}

/* sum_o |e_o + s w_o| - |e_o|, over outputs: along with e, against it, or across 0. */
static float change(const float *aid, uint32_t outputs, const bpfree_target *target, const float *column,
                    uint32_t stride, float s)
{
  (void)target;
  float total = 0.0f;
  for (uint32_t o = 0; o < outputs; o++) {
    const float error = aid[o], move = s * column[o * stride];
    const int below = error < 0.0f || (error == 0.0f && move < 0.0f);
    const int across = below ? error + move > 0.0f : error + move < 0.0f;
    const float each = across ? (error + error) + move : move;
    total += below == across ? each : -each;
  }
  return total * (1.0f / (float)outputs);
}

const bpfree_closed BPFREE_KERNEL(closed_mae) = {prepare, gradient, change};
#endif
