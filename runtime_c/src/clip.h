/* SPDX-License-Identifier: MIT */
/* A coefficient as the update sees it; records hold it unclipped. */
#ifndef BPFREE_CLIP_H
#define BPFREE_CLIP_H

#include "bpfree/train.h"

static inline float bpfree_clipped(const bpfree_trainer *t, float coefficient)
{
  if (t->clip == 0.0f) return coefficient;
  return coefficient > t->clip ? t->clip : coefficient < -t->clip ? -t->clip : coefficient;
}

#endif
