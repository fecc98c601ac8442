/* SPDX-License-Identifier: MIT */
/* ((stability + 1) / (stability + 1 + t))^power, at least end, as
 * exp(-power log(1 + t / (stability + 1))). Settings {warmup, end, power, stability}. */
#include "math32.h"
#include "schedule.h"

float bpfree_sched_power_decay(const float *settings, uint32_t step)
{
  const float steps = 1.0f + (float)step / (settings[3] + 1.0f);
  const float shape = bpfree_exp32(-settings[2] * bpfree_log32(steps));
  return bpfree_warmed(shape > settings[1] ? shape : settings[1], settings, step);
}
