/* SPDX-License-Identifier: MIT */
/* Random gradient estimation, Rademacher directions:
 *   g = 1/q sum_i (L(theta + mu u_i) - L(theta - mu u_i)) / (2 mu) u_i
 * or, one-sided, (L(theta + mu u_i) - L(theta)) / mu. Query i of every group
 * uses direction i; groups are disjoint, so their directions are too. */
#include "bpfree/train.h"
#include "clip.h"
#include "signs.h"

static bpfree_probe make_probe(const bpfree_trainer *t, uint32_t step, uint32_t query, float mu)
{
  const bpfree_probe probe = {t->seed, step, bpfree_stream(BPFREE_DOMAIN_PROBE, query, 0), mu, 0, 0};
  return probe;
}

static float loss_of(const bpfree_trainer *t, const bpfree_pass *pass, uint32_t side, const bpfree_target *target)
{
  float value;
  t->loss(bpfree_output(pass, side), t->model->tensors[t->model->output].size, &target->label, target->values, 1,
          &value);
  return value;
}

/* Differences of one sample, added to the running sums. */
static int add_sample(const bpfree_trainer *t, bpfree_context *c, const bpfree_target *target, float mu, int first)
{
  bpfree_pass pass = {t->model, c->theta, 0, c->x, c->arena, 1, 1};
  float base = 0.0f;
  if (!t->two_sided) {
    bpfree_forward(&pass);
    base = loss_of(t, &pass, 0, target);
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
      const float plus = loss_of(t, &pass, 0, target);
      const float difference = plus - (t->two_sided ? loss_of(t, &pass, 1, target) : base);
      *sum = first ? difference : *sum + difference;
    }
  return BPFREE_OK;
}

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  const uint32_t outputs = t->model->tensors[t->model->output].size;
  const float mu = bpfree_mu(t, c->step);
  for (uint32_t i = 0; i < t->batch; i++) {
    bpfree_target target = {0, 0};
    if (t->sample(t->user, c->step, i, c->x, &target)) return BPFREE_ERR_CALLBACK;
    if (target.label >= outputs) return BPFREE_ERR_ARG;
    const int status = add_sample(t, c, &target, mu, i == 0);
    if (status) return status;
  }
  const float width = t->two_sided ? 2.0f * mu : mu;
  const float scale = 1.0f / (width * ((float)t->batch * (float)t->n_queries));
  const uint32_t n = bpfree_n_groups(t->model, t->grouping) * t->n_queries;
  for (uint32_t k = 0; k < n; k++) c->coefficients[k] *= scale;
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

const bpfree_estimator bpfree_est_rge = {estimate, gradient, signs};
