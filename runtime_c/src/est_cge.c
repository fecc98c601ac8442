/* SPDX-License-Identifier: MIT */
/* Coordinate-wise gradient estimation:
 *   g_k = (L(theta + mu e_k) - L(theta - mu e_k)) / (2 mu)
 * or, one-sided, (L(theta + mu e_k) - L(theta)) / mu, for n_queries = n of the
 * d elements of theta. Number i is element k with P(k) = i, P a permutation that
 * the step draws; there is none where n = d. No table of elements is kept. */
#include "bpfree/train.h"
#include "clip.h"
#include "differences.h"

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  const uint32_t d = t->model->n_theta, n = t->n_queries;
  const float mu = bpfree_mu(t, c->step);
  for (uint32_t b = 0; b < t->batch; b++) {
    bpfree_target target;
    const int status = bpfree_read_sample(t, c, b, &target);
    if (status) return status;
    const float base = t->two_sided ? 0.0f : bpfree_loss_at(t, c, c->theta, &target);
    for (uint32_t i = 0; i < n; i++) {
      const uint32_t k = n == d ? i : bpfree_unpermute(BPFREE_DOMAIN_MASK, t->seed, c->step, d, i);
      const float difference = bpfree_difference_beside(t, c, k, mu, base, &target);
      c->coefficients[i] = b ? c->coefficients[i] + difference : difference;
    }
  }
  const float share = bpfree_share(t, c->step, 1);
  for (uint32_t i = 0; i < n; i++) c->coefficients[i] *= share;
  return BPFREE_OK;
}

static void gradient(const bpfree_trainer *t, uint32_t step, const float *coefficients, uint32_t slice,
                     uint32_t block, uint32_t n, float *g)
{
  const uint32_t d = t->model->n_theta, first = t->model->slices[slice].offset + block * BPFREE_BLOCK;
  for (uint32_t j = 0; j < n; j++) {
    const uint32_t k = first + j;
    const uint32_t i = t->n_queries == d ? k : bpfree_permute(BPFREE_DOMAIN_MASK, t->seed, step, d, k);
    g[j] = i < t->n_queries ? bpfree_clipped(t, coefficients[i]) : 0.0f;
  }
}

static int check(const bpfree_trainer *t)
{
  const uint32_t d = t->model->n_theta;
  return t->grouping == BPFREE_JOINT && t->n_queries <= d && d <= 0x80000000u ? BPFREE_OK : BPFREE_ERR_ARG;
}

const bpfree_estimator bpfree_est_cge = {.estimate = estimate, .gradient = gradient, .check = check};
