/* SPDX-License-Identifier: MIT */
/* From one perturbed copy of theta to the next. */
#ifndef BPFREE_PROBE_H
#define BPFREE_PROBE_H

#include "bpfree/model.h"

/* Elements [first, first + count) of theta. */
typedef struct bpfree_range {
  uint32_t first, count;
} bpfree_range;

/* What a probe moves. */
static inline bpfree_range bpfree_range_of(const struct bpfree_probe *probe)
{
  if (probe->direction == BPFREE_COORDINATE) return (bpfree_range){probe->element, 1};
  return (bpfree_range){probe->first, probe->count};
}

/* out, which holds theta moved by `before` (NULL: anything at all), becomes
 * fl(theta + fl(mu u)) of `probe`: only what either of them moves is written.
 * Returns as bpfree_perturb; out is then as it was. */
int bpfree_move(const bpfree_model *model, const float *theta, const struct bpfree_probe *before,
                const struct bpfree_probe *probe, float *out);

#endif
