/* SPDX-License-Identifier: MIT */
/* Random gradient estimation, Rademacher directions:
 *   g = 1/q sum_i (L(theta + mu u_i) - L(theta - mu u_i)) / (2 mu) u_i
 * or, one-sided, (L(theta + mu u_i) - L(theta)) / mu. Query i of every group
 * uses direction i; groups are disjoint, so their directions are too. */
#include "bpfree/train.h"
#include "clip.h"
#include "differences.h"
#include "signs.h"

#if !BPFREE_PROBE_ON_READ
#error "RGE with signs needs kernels that perturb as they read: BPFREE_PROBE_ON_READ 1"
#endif

static bpfree_probe make_probe(const bpfree_trainer *t, uint32_t step, uint32_t query, float mu)
{
  const uint32_t stream = bpfree_stream(BPFREE_DOMAIN_PROBE, query, 0);
  const bpfree_probe probe = {t->seed, step, stream, mu, 0, 0, BPFREE_RADEMACHER, 0};
  return probe;
}

/* Differences of one sample, added to the running sums. */
static int add_sample(const bpfree_trainer *t, bpfree_context *c, const bpfree_target *target, float mu, int first)
{
  bpfree_pass pass = {t->model, c->theta, 0, c->x, c->arena, 1, 1};
  float base = 0.0f;
  if (!t->two_sided) {
    bpfree_forward(&pass);
    base = bpfree_loss_of(t, &pass, 0, target);
  }
  const uint32_t groups = bpfree_n_groups(t->model, t->grouping);
  float *sum = c->coefficients;
  for (uint32_t g = 0; g < groups; g++)
    for (uint32_t query = 0; query < t->n_queries; query++, sum++) {
      bpfree_probe probe = make_probe(t, c->step, query, mu);
      const int status = bpfree_group_slices(t->model, t->grouping, g, &probe.first_slice, &probe.n_slices);
      if (status) return status;
      pass.probe = &probe;
      pass.sides = t->two_sided ? 2 : 1;
      bpfree_forward(&pass);
      const float plus = bpfree_loss_of(t, &pass, 0, target);
      const float difference = plus - (t->two_sided ? bpfree_loss_of(t, &pass, 1, target) : base);
      *sum = first ? difference : *sum + difference;
    }
  return BPFREE_OK;
}

/* Tables for one side would make every difference 0 without a word. */
static int has_two_sides(const bpfree_model *model)
{
  for (uint32_t k = 0; k < model->n_tensors; k++)
    if (model->tensors[k].side) return 1;
  return 0;
}

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  if (t->two_sided && t->model->n_theta && !has_two_sides(t->model)) return BPFREE_ERR_ARG;
  const float mu = bpfree_mu(t, c->step);
  for (uint32_t i = 0; i < t->batch; i++) {
    bpfree_target target;
    int status = bpfree_read_sample(t, c, i, &target);
    if (!status) status = add_sample(t, c, &target, mu, i == 0);
    if (status) return status;
  }
  const float share = bpfree_share(t, c->step, t->n_queries);
  const uint32_t n = bpfree_n_groups(t->model, t->grouping) * t->n_queries;
  for (uint32_t k = 0; k < n; k++) c->coefficients[k] *= share;
  return BPFREE_OK;
}

static void gradient(const bpfree_trainer *t, uint32_t step, const float *coefficients, uint32_t slice,
                     uint32_t block, uint32_t n, float *g)
{
  for (uint32_t query = 0; query < t->n_queries; query++) {
    const bpfree_probe probe = make_probe(t, step, query, 0.0f);
    const float c = bpfree_clipped(t, coefficients[query]);
    bpfree_signs signs;
    bpfree_signs_start(&signs, &probe, t->model->slices[slice].first_block + block);
    for (uint32_t done = 0; done < n; done += 32) {
      const uint32_t run = n - done < 32 ? n - done : 32;
      bpfree_signs_refill(&signs);
      uint32_t word = signs.word;
      if (query == 0)
        for (uint32_t k = 0; k < run; k++, word <<= 1) g[done + k] = bpfree_signed(c, word);
      else
        for (uint32_t k = 0; k < run; k++, word <<= 1) g[done + k] += bpfree_signed(c, word);
    }
  }
}

static void signs(const bpfree_trainer *t, uint32_t step, uint32_t slice, uint32_t block, uint32_t words[2])
{
  const uint32_t key[2] = {t->seed, step};
  const uint32_t counter[2] = {t->model->slices[slice].first_block + block,
                               bpfree_stream(BPFREE_DOMAIN_PROBE, 0, 0)};
  bpfree_threefry(key, counter, words);
}

const bpfree_estimator bpfree_est_rge = {
    .estimate = estimate,
    .gradient = gradient,
    .signs = signs,
    .check = bpfree_check_queries,
    .averages = 1,
};
