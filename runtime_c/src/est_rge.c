/* SPDX-License-Identifier: MIT */
/* Random gradient estimation, Rademacher directions:
 *   g = 1/q sum_i (L(theta + mu u_i) - L(theta - mu u_i)) / (2 mu) u_i
 * or, one-sided, (L(theta + mu u_i) - L(theta)) / mu. Query i of every group
 * uses direction i; groups are disjoint, so their directions are too. */
#include "on_read.h"

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  return bpfree_sign_estimate(t, c, BPFREE_RADEMACHER);
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
    .gradient = gradient,
    .signs = signs,
    .check = bpfree_rge_check,
    .group = bpfree_rge_group,
    .averages = 1,
};
