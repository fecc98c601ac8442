/* SPDX-License-Identifier: MIT */
/* end + (1 - end) (1 + cos(pi t / steps)) / 2. Settings {warmup, end, steps}. */
#include "math32.h"
#include "schedule.h"

float bpfree_sched_cosine_decay(const float *settings, uint32_t step)
{
  const float pi = 0x1.921fb6p+1f, end = settings[1];
  const float half = 0.5f * (1.0f + bpfree_cos32(pi * bpfree_stratum_of(step, settings[2])));
  return bpfree_warmed(end + (1.0f - end) * half, settings, step);
}
