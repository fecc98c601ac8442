/* SPDX-License-Identifier: MIT */
/* Random gradient estimation with directions that are drawn as numbers, what
 * est_rge_gaussian.c and est_rge_sphere.c share. A number costs as much as some
 * ten multiply-adds of a forward pass, so it is not drawn again on each read of a
 * parameter, as signs are: each query lays perturbed copies of theta down in
 * context->work, and goes over the minibatch with them. The sums are the same. */
#ifndef BPFREE_COPIES_H
#define BPFREE_COPIES_H

#include "clip.h"
#include "differences.h"
#include "normals.h"

static inline struct bpfree_probe bpfree_copies_probe(const bpfree_trainer *t, uint32_t step, uint32_t query,
                                              uint32_t direction)
{
  const uint32_t address = bpfree_address(BPFREE_DOMAIN_GAUSSIAN, query, 0);
  const struct bpfree_probe probe = {t->seed, step, address, bpfree_mu(t, step), 0, 0, direction, 0};
  return probe;
}

/* Copies of theta at plus and minus; or one, and the losses of the minibatch
 * at theta. A replay keeps the weights of a group's queries there. */
static inline uint32_t bpfree_copies_work(const bpfree_trainer *t)
{
  const uint32_t floats = t->model->n_theta + (t->two_sided ? t->model->n_theta : t->batch);
  return floats < t->n_queries ? t->n_queries : floats;
}

/* Elements [first, stop) as theta has them. */
static inline void bpfree_copies_rest(const float *theta, float *plus, float *minus, uint32_t first, uint32_t stop)
{
  for (uint32_t i = first; i < stop; i++) {
    plus[i] = theta[i];
    if (minus) minus[i] = theta[i];
  }
}

/* plus = fl(theta + fl(radius u)), and minus, if it is not NULL. */
static inline void bpfree_copies_make(const bpfree_model *model, const float *theta, const struct bpfree_probe *probe,
                                       float *plus, float *minus)
{
  const float radius = probe->mu * bpfree_draw(model, probe, plus);
  const uint32_t stop = probe->first + probe->count;
  bpfree_copies_rest(theta, plus, minus, 0, probe->first);
  for (uint32_t i = probe->first; i < stop; i++) {
    const float step = radius * plus[i];
    plus[i] = theta[i] + step;
    if (minus) minus[i] = theta[i] - step;
  }
  bpfree_copies_rest(theta, plus, minus, stop, model->n_theta);
}

/* The sum of one query's differences; bases: losses at theta where minus is NULL. */
static inline int bpfree_copies_sum(const bpfree_trainer *t, const bpfree_context *c, const float *plus,
                                   const float *minus, const float *bases, float *sum)
{
  for (uint32_t i = 0; i < t->batch; i++) {
    bpfree_target target;
    const int status = bpfree_read_sample(t, c, i, &target);
    if (status) return status;
    const float above = bpfree_loss_at(t, c, plus, &target);
    const float difference = above - (minus ? bpfree_loss_at(t, c, minus, &target) : bases[i]);
    *sum = i ? *sum + difference : difference;
  }
  return BPFREE_OK;
}

static inline int bpfree_copies_estimate(const bpfree_trainer *t, bpfree_context *c, uint32_t direction)
{
  float *const plus = c->work, *const second = c->work + t->model->n_theta, *coefficient = c->coefficients;
  for (uint32_t i = 0; !t->two_sided && i < t->batch; i++) {
    bpfree_target target;
    const int status = bpfree_read_sample(t, c, i, &target);
    if (status) return status;
    second[i] = bpfree_loss_at(t, c, c->theta, &target);
  }
  const float share = bpfree_share(t, c->step, t->n_queries);
  for (uint32_t g = 0, first, count; bpfree_group(t, g, &first, &count) == BPFREE_OK; g++)
    for (uint32_t query = 0; query < t->n_queries; query++, coefficient++) {
      struct bpfree_probe probe = bpfree_copies_probe(t, c->step, query, direction);
      probe.first = first;
      probe.count = count;
      float *const minus = t->two_sided ? second : 0;
      bpfree_copies_make(t->model, c->theta, &probe, plus, minus);
      const int status = bpfree_copies_sum(t, c, plus, minus, second, coefficient);
      if (status) return status;
      *coefficient *= share;
    }
  return BPFREE_OK;
}

/* The clipped coefficients times the scales of their directions. */
static inline const float *bpfree_copies_weights(const bpfree_trainer *t, const bpfree_context *c, uint32_t first,
                                                uint32_t count, const float *coefficients, uint32_t direction)
{
  for (uint32_t query = 0; query < t->n_queries; query++) {
    struct bpfree_probe probe = bpfree_copies_probe(t, c->step, query, direction);
    probe.first = first;
    probe.count = count;
    c->work[query] = bpfree_clipped(t, coefficients[query]) * bpfree_draw(t->model, &probe, 0);
  }
  return c->work;
}

static inline void bpfree_copies_gradient(const bpfree_trainer *t, uint32_t step, const float *weights,
                                         uint32_t slice, uint32_t block, uint32_t n, float *g)
{
  for (uint32_t query = 0; query < t->n_queries; query++) {
    const struct bpfree_probe probe = bpfree_copies_probe(t, step, query, BPFREE_GAUSSIAN);
    float u[BPFREE_BLOCK];
    bpfree_normals(&probe, t->model->slices[slice].first_block + block, n, u);
    if (query == 0)
      for (uint32_t j = 0; j < n; j++) g[j] = weights[query] * u[j];
    else
      for (uint32_t j = 0; j < n; j++) g[j] += weights[query] * u[j];
  }
}

#endif
