/* SPDX-License-Identifier: MIT */
/* rate^(t / every) by squaring, at least end. Settings {warmup, end, rate, every}. */
#include "schedule.h"

float bpfree_sched_exponential_decay(const float *settings, uint32_t step)
{
  float power = 1.0f, square = settings[2];
  for (uint32_t times = step / (uint32_t)settings[3]; times; times >>= 1) {
    if (times & 1u) power = power * square;
    square = square * square;
  }
  return bpfree_warmed(power > settings[1] ? power : settings[1], settings, step);
}
