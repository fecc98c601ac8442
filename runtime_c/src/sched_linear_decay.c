/* SPDX-License-Identifier: MIT */
/* (1 - t / steps) + end t / steps: exactly end at the end. Settings {warmup, end, steps}. */
#include "schedule.h"

float bpfree_sched_linear_decay(const float *settings, uint32_t step)
{
  const float share = bpfree_stratum_of(step, settings[2]);
  return bpfree_warmed((1.0f - share) + settings[1] * share, settings, step);
}
