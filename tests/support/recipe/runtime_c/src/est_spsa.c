/* SPDX-License-Identifier: MIT */
/* Simultaneous perturbation, one direction u of signs a step:
 *   g = (L(theta + mu u) - L(theta - mu u)) / (2 mu) u */
#include "on_read.h"

static float difference(const bpfree_trainer *t, const bpfree_context *c, float mu, float base,
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
  const struct bpfree_probe probe = bpfree_sign_probe(t, step, 0, 0.0f, 0, 0, BPFREE_RADEMACHER);
  const float c = bpfree_clipped(t, coefficients[0]);
  bpfree_signs signs;
  bpfree_signs_start(&signs, &probe, &t->model->slices[slice], block);
  for (uint32_t done = 0; done < n; done += 32) {
    bpfree_signs_refill(&signs);
    bpfree_add_signs(g + done, n - done < 32 ? n - done : 32, c, signs.word, 1);
  }
}

static void signs(const bpfree_trainer *t, uint32_t step, uint32_t slice, uint32_t block, uint32_t words[2])
{
  const uint32_t key[2] = {t->seed, step};
  const uint32_t counter[2] = {t->model->slices[slice].first_block + block,
                               bpfree_address(BPFREE_DOMAIN_PROBE, 0, 0)};
  bpfree_threefry(key, counter, words);
}

/* It has one direction, and both sides of it. */
static int check(const bpfree_trainer *t)
{
  return t->n_queries == 1 && t->two_sided ? BPFREE_OK : BPFREE_ERR_ARG;
}

const bpfree_estimator bpfree_est_spsa = {
    .estimate = estimate,
    .probe = BPFREE_TOLD(probe),
    .finish = BPFREE_TOLD(bpfree_mean_of_queries),
    .gradient = gradient,
    .signs = signs,
    .check = check,
    .averages = 1,
};
