/* SPDX-License-Identifier: MIT */
/* Random gradient estimation as in est_rge.c, with standard normal directions. */
#include "copies.h"

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  return bpfree_copies_estimate(t, c, BPFREE_GAUSSIAN);
}

static void probe(const bpfree_trainer *t, const bpfree_context *c, uint32_t query, float mu, uint32_t first,
                  uint32_t count, float *out)
{
  bpfree_copies_piece(t, c, query, mu, first, count, out, BPFREE_GAUSSIAN);
}

static const float *weights(const bpfree_trainer *t, const bpfree_context *c, uint32_t first, uint32_t count,
                            const float *coefficients)
{
  return bpfree_copies_weights(t, c, first, count, coefficients, BPFREE_GAUSSIAN);
}

const bpfree_estimator bpfree_est_rge_gaussian = {
    .estimate = estimate,
    .probe = BPFREE_TOLD(probe),
    .finish = BPFREE_TOLD(bpfree_mean_of_queries),
    .gradient = bpfree_copies_gradient,
    .check = BPFREE_CHECKS ? bpfree_rge_check : 0,
    .group = bpfree_rge_group,
    .weights = weights,
    .work = bpfree_copies_work,
    .averages = 1,
};
