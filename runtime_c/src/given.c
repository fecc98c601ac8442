/* SPDX-License-Identifier: MIT */
/* The record is the gradient itself, one coefficient an element of theta: how
 * the update is run for estimators that are computed outside the runtime. Not a
 * row of the table; it cannot estimate. */
#include "bpfree/host.h"
#include "clip.h"

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  (void)t;
  (void)c;
  return BPFREE_ERR_ARG;
}

static void gradient(const bpfree_trainer *t, uint32_t step, const float *coefficients, uint32_t slice,
                     uint32_t block, uint32_t n, float *g)
{
  (void)step;
  const float *from = coefficients + t->model->slices[slice].offset + block * BPFREE_BLOCK;
  for (uint32_t j = 0; j < n; j++) g[j] = bpfree_clipped(t, from[j]);
}

static int check(const bpfree_trainer *t)
{
  return t->grouping == BPFREE_JOINT && t->n_queries == t->model->n_theta ? BPFREE_OK : BPFREE_ERR_ARG;
}

const bpfree_estimator *bpfree_given(void)
{
  static const bpfree_estimator given = {.estimate = estimate, .gradient = gradient, .check = check};
  return &given;
}
