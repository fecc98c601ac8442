/* SPDX-License-Identifier: MIT */
/* Coordinate-wise gradient estimation:
 *   g_k = (L(theta + mu e_k) - L(theta - mu e_k)) / (2 mu)
 * or, one-sided, (L(theta + mu e_k) - L(theta)) / mu, for n_queries = n of the
 * d elements of theta. */
#include "coordinates.h"

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  const uint32_t n = t->n_queries;
  const float mu = bpfree_mu(t, c->step);
  for (uint32_t b = 0; b < t->batch; b++) {
    bpfree_target target;
    const int status = bpfree_read_sample(t, c, b, &target);
    if (status) return status;
    const float base = t->two_sided ? 0.0f : bpfree_loss_at(t, c, c->theta, &target);
    for (uint32_t i = 0; i < n; i++) {
      const uint32_t k = bpfree_coordinate(t, c->step, i);
      const float difference = bpfree_difference_beside(t, c, k, mu, base, &target);
      c->coefficients[i] = b ? c->coefficients[i] + difference : difference;
    }
  }
  const float share = bpfree_share(t, c->step, 1);
  for (uint32_t i = 0; i < n; i++) c->coefficients[i] *= share;
  return BPFREE_OK;
}

const bpfree_estimator bpfree_est_cge = {
    .estimate = estimate,
    .gradient = bpfree_coordinate_gradient,
    .check = bpfree_check_coordinates,
};
