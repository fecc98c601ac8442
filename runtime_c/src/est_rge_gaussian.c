/* SPDX-License-Identifier: MIT */
/* Random gradient estimation as in est_rge.c, with standard normal directions. */
#include "copies.h"

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  return bpfree_copies_estimate(t, c, BPFREE_GAUSSIAN);
}

static struct bpfree_probe probe(const bpfree_trainer *t, const bpfree_context *c, uint32_t query, float mu)
{
  struct bpfree_probe own = bpfree_copies_query(t, c->step, query, BPFREE_GAUSSIAN);
  own.mu = mu;
  return own;
}

static const float *weights(const bpfree_trainer *t, const bpfree_context *c, uint32_t first, uint32_t count,
                            const float *coefficients)
{
  return bpfree_copies_weights(t, c, first, count, coefficients, BPFREE_GAUSSIAN);
}

const bpfree_estimator bpfree_est_rge_gaussian = {
    .estimate = estimate,
    .probe = probe,
    .gradient = bpfree_copies_gradient,
    .check = BPFREE_CHECKS ? bpfree_rge_check : 0,
    .group = bpfree_rge_group,
    .weights = weights,
    .work = bpfree_copies_work,
    .averages = 1,
};
