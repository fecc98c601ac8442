/* SPDX-License-Identifier: MIT */
/* Groups of parameters that probes move one at a time. */
#ifndef BPFREE_GROUPS_H
#define BPFREE_GROUPS_H

#include "bpfree/train.h"

/* `group` of the estimators whose settings are a bpfree_rge; they are there. */
#if BPFREE_GROUPS
int bpfree_rge_group(const bpfree_trainer *t, uint32_t group, uint32_t *first, uint32_t *count);
#else
#define bpfree_rge_group 0
#endif

#endif
