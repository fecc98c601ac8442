/* SPDX-License-Identifier: MIT */
#include "groups.h"
#include "bpfree/estimators.h"
#include "differences.h"

int bpfree_group(const bpfree_trainer *t, uint32_t group, uint32_t *first, uint32_t *count)
{
  if (BPFREE_GROUPS && t->estimator->group && t->settings) return t->estimator->group(t, group, first, count);
  *first = 0;
  *count = t->model->n_theta;
  return group ? BPFREE_ERR_ARG : BPFREE_OK;
}

uint32_t bpfree_n_groups(const bpfree_trainer *t)
{
  if (!BPFREE_GROUPS) return 1;
  uint32_t groups = 0, first, count;
  while (bpfree_group(t, groups, &first, &count) == BPFREE_OK) groups++;
  return groups;
}

int bpfree_rge_check(const bpfree_trainer *t)
{
  const bpfree_rge *own = t->settings;
  const uint32_t last = BPFREE_GROUPS ? BPFREE_TENSOR : BPFREE_JOINT;
  return t->n_queries <= 4096 && (!own || own->grouping <= last) ? BPFREE_OK : BPFREE_ERR_ARG;
}

#if BPFREE_GROUPS
/* Elements of theta of the group that the first trainable slice at or behind k begins.
 * Returns one past its last slice, or 0 if there is none. */
static uint32_t next_group(const bpfree_model *model, uint32_t grouping, uint32_t k, uint32_t *first, uint32_t *count)
{
  while (k < model->n_slices && model->slices[k].frozen) k++;
  if (k == model->n_slices) return 0;
  const uint32_t layer = model->slices[k].layer;
  *first = model->slices[k].offset;
  *count = 0;
  do {
    if (!model->slices[k].frozen) *count += model->slices[k].size;
    k++;
  } while (k < model->n_slices && (grouping == BPFREE_JOINT ||
                                   (grouping == BPFREE_LAYER && model->slices[k].layer == layer)));
  return k;
}

int bpfree_rge_group(const bpfree_trainer *t, uint32_t group, uint32_t *first, uint32_t *count)
{
  const bpfree_rge *own = t->settings;
  uint32_t k = 0;
  do k = next_group(t->model, own->grouping, k, first, count);
  while (k && group--);
  return k ? BPFREE_OK : BPFREE_ERR_ARG;
}

uint32_t bpfree_rge_query(const bpfree_trainer *t, uint32_t query, uint32_t *first, uint32_t *count)
{
  uint32_t group = 0;
  for (; query >= t->n_queries; query -= t->n_queries) group++; /* no division: M0 has none */
  (void)bpfree_group(t, group, first, count);
  return query;
}
#endif
