/* SPDX-License-Identifier: MIT */
/* From one perturbed copy of theta to the next. */
#ifndef BPFREE_PROBE_H
#define BPFREE_PROBE_H

#include "bpfree/model.h"

/* out, which holds theta moved by `before` (NULL: anything at all), becomes
 * fl(theta + fl(mu u)) of `probe`: only what either of them moves is written.
 * Returns as bpfree_perturb; out is then as it was. */
int bpfree_move(const bpfree_model *model, const float *theta, const bpfree_probe *before, const bpfree_probe *probe,
                float *out);

#endif
