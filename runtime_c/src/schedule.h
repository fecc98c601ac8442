/* SPDX-License-Identifier: MIT */
/* What every schedule ends with. Settings start with {warmup, end / start}. */
#ifndef BPFREE_SCHEDULE_H
#define BPFREE_SCHEDULE_H

#include "bpfree/train.h"

/* Steps of a run may be many more than a schedule's: they are compared as integers. */
static inline float bpfree_stratum_of(uint32_t step, float steps)
{
  return step < (uint32_t)steps ? (float)step / steps : 1.0f;
}

static inline float bpfree_warmed(float shape, const float *settings, uint32_t step)
{
  return step < (uint32_t)settings[0] ? shape * ((float)(step + 1u) / settings[0]) : shape;
}

#endif
