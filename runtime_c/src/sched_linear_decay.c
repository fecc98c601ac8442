/* SPDX-License-Identifier: MIT */
/* 1 + (end - 1) t / steps. Settings {warmup, end, steps}. */
#include "schedule.h"

float bpfree_sched_linear_decay(const float *settings, uint32_t step)
{
  const float shape = 1.0f + (settings[1] - 1.0f) * bpfree_part_of(step, settings[2]);
  return bpfree_warmed(shape, settings, step);
}
