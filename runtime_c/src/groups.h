/* SPDX-License-Identifier: MIT */
/* Groups of parameters that probes move one at a time. */
#ifndef BPFREE_GROUPS_H
#define BPFREE_GROUPS_H

#include "bpfree/train.h"

/* `check` of the estimators whose settings are a bpfree_rge: queries have 12 bits of the random stream. */
int bpfree_rge_check(const bpfree_trainer *t);

/* `group` of the same; its settings are there. */
#if BPFREE_GROUPS
int bpfree_rge_group(const bpfree_trainer *t, uint32_t group, uint32_t *first, uint32_t *count);

/* The elements of theta that number `query` of the record moves; returns which of its group's directions it has. */
uint32_t bpfree_rge_query(const bpfree_trainer *t, uint32_t query, uint32_t *first, uint32_t *count);
#else
#define bpfree_rge_group 0

static inline uint32_t bpfree_rge_query(const bpfree_trainer *t, uint32_t query, uint32_t *first, uint32_t *count)
{
  *first = 0;
  *count = t->model->n_theta;
  return query;
}
#endif

#endif
