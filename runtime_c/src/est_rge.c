/* SPDX-License-Identifier: MIT */
/* Random gradient estimation, Rademacher directions:
 *   g = 1/q sum_i (L(theta + mu u_i) - L(theta - mu u_i)) / (2 mu) u_i
 * or, one-sided, (L(theta + mu u_i) - L(theta)) / mu. Query i of every group
 * uses direction i; groups are disjoint, so their directions are too. */
#include "on_read.h"

static inline float difference(const bpfree_trainer *t, const bpfree_context *c, float mu, float base,
                        const bpfree_target *target)
{
  const struct bpfree_probe own = bpfree_sign_query(t, c->step, c->query, mu, BPFREE_RADEMACHER);
  return bpfree_sign_difference(t, c, own, base, target);
}

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  return bpfree_sign_estimate(t, c, difference);
}

static void probe(const bpfree_trainer *t, const bpfree_context *c, uint32_t query, float mu, uint32_t first,
                  uint32_t count, float *out)
{
  const struct bpfree_probe own = bpfree_sign_query(t, c->step, query, mu, BPFREE_RADEMACHER);
  bpfree_write_piece(t->model, c->theta, &own, first, count, out, bpfree_sign_steps);
}

static void gradient(const bpfree_trainer *t, uint32_t step, const float *coefficients, uint32_t slice,
                     uint32_t block, uint32_t n, float *g)
{
  for (uint32_t query = 0; query < t->n_queries; query++) {
    const struct bpfree_probe probe = bpfree_sign_probe(t, step, query, 0.0f, 0, 0, BPFREE_RADEMACHER);
    const float c = bpfree_clipped(t, coefficients[query]);
    bpfree_signs signs;
    bpfree_signs_start(&signs, &probe, &t->model->slices[slice], block);
    for (uint32_t done = 0; done < n; done += 32) {
      bpfree_signs_refill(&signs);
      bpfree_add_signs(g + done, n - done < 32 ? n - done : 32, c, signs.word, query == 0);
    }
  }
}

static void signs(const bpfree_trainer *t, uint32_t step, uint32_t slice, uint32_t block, uint32_t words[2])
{
  const uint32_t key[2] = {t->seed, step};
  const uint32_t counter[2] = {t->model->slices[slice].first_block + block,
                               bpfree_address(BPFREE_DOMAIN_PROBE, 0, 0)};
  bpfree_threefry(key, counter, words);
}

const bpfree_estimator bpfree_est_rge = {
    .estimate = estimate,
    .probe = BPFREE_TOLD(probe),
    .finish = BPFREE_TOLD(bpfree_mean_of_queries),
    .gradient = BPFREE_GRADIENTS ? gradient : 0,
    .signs = signs,
    .check = BPFREE_CHECKS ? bpfree_rge_check : 0,
    .group = bpfree_rge_group,
    .averages = 1,
};
