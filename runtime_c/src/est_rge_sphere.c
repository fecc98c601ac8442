/* SPDX-License-Identifier: MIT */
/* Random gradient estimation as in est_rge.c, with directions of length sqrt(d),
 * d the elements of the group: u = s g, g normal and s = sqrt(d) / |g|. Only
 * scalars carry s: the radius is fl(mu s), the weight of g fl(c s). */
#include "copies.h"

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  return bpfree_copies_estimate(t, c, BPFREE_SPHERE);
}

static void probe(const bpfree_trainer *t, const bpfree_context *c, uint32_t query, float mu, uint32_t first,
                  uint32_t count, float *out)
{
  bpfree_copies_piece(t, c, query, mu, first, count, out, BPFREE_SPHERE);
}

static const float *weights(const bpfree_trainer *t, const bpfree_context *c, uint32_t first, uint32_t count,
                            const float *coefficients)
{
  return bpfree_copies_weights(t, c, first, count, coefficients, BPFREE_SPHERE);
}

const bpfree_estimator bpfree_est_rge_sphere = {
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
