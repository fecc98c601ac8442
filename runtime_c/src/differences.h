/* SPDX-License-Identifier: MIT */
/* What estimators that compare losses share. */
#ifndef BPFREE_DIFFERENCES_H
#define BPFREE_DIFFERENCES_H

#include <float.h>
#include "bpfree/estimators.h"
#include "groups.h"
#include "sides.h"

/* Sample i of the minibatch to context->x, and its target: one with another label or weight could not be had either. */
static inline int bpfree_read_sample(const bpfree_trainer *t, const bpfree_context *c, uint32_t i,
                                     bpfree_target *target)
{
  target->label = 0;
  target->values = 0;
#if BPFREE_WEIGHTS
  target->weight = 1.0f;
#endif
  if (t->sample(t->user, c->step, i, c->x, target)) return BPFREE_ERR_CALLBACK;
#if BPFREE_WEIGHTS
  if (t->weighted && !(target->weight >= 0.0f && target->weight <= FLT_MAX)) return BPFREE_ERR_CALLBACK;
#endif
  return target->label < t->model->tensors[t->model->output].size ? BPFREE_OK : BPFREE_ERR_CALLBACK;
}

/* A loss of this sample, or what is proportional to it, times the sample's weight. */
static inline float bpfree_weighed(const bpfree_trainer *t, const bpfree_target *target, float value)
{
#if BPFREE_WEIGHTS
  if (t->weighted) return target->weight * value;
#else
  (void)t, (void)target;
#endif
  return value;
}

static inline float bpfree_loss_of(const bpfree_trainer *t, const bpfree_pass *pass, uint32_t side,
                                   const bpfree_target *target)
{
  float value;
  t->loss(bpfree_output(pass, side), t->model->tensors[t->model->output].size, &target->label, target->values, 1,
          &value);
  return bpfree_weighed(t, target, value);
}

/* The loss of context->x at parameters theta, by a plain forward pass. */
static inline float bpfree_loss_at(const bpfree_trainer *t, const bpfree_context *c, const float *theta,
                                   const bpfree_target *target)
{
  const bpfree_pass pass = {t->model, theta, 0, c->x, c->arena, 1, 1};
  bpfree_forward(&pass);
  return bpfree_loss_of(t, &pass, 0, target);
}

/* The loss at theta + step e_k. Of all probes only this one is put into theta
 * itself: a copy would double the RAM, and testing each read of a parameter for
 * being number k would cost every kernel. The element is put back by
 * assignment, which is exact where adding and subtracting is not, before
 * anything that can fail, so theta keeps its bits whatever happens. */
static inline float bpfree_loss_beside(const bpfree_trainer *t, const bpfree_context *c, uint32_t k, float step,
                                       const bpfree_target *target)
{
  const float kept = c->theta[k];
  c->theta[k] = kept + step;
  const float loss = bpfree_loss_at(t, c, c->theta, target);
  c->theta[k] = kept;
  return loss;
}

/* The loss mu above theta_k less that mu below it, or less base. */
static inline float bpfree_difference_beside(const bpfree_trainer *t, const bpfree_context *c, uint32_t k, float mu,
                                             float base, const bpfree_target *target)
{
  const float plus = bpfree_loss_beside(t, c, k, mu, target);
  return plus - (bpfree_two_sided(t) ? bpfree_loss_beside(t, c, k, -mu, target) : base);
}

/* What sums of differences over a batch are multiplied by, for the mean over this many coefficients. */
static inline float bpfree_share(const bpfree_trainer *t, uint32_t step, uint32_t batch, uint32_t averaged)
{
  const float mu = bpfree_mu(t, step), width = bpfree_two_sided(t) ? 2.0f * mu : mu;
  return 1.0f / (width * ((float)batch * (float)averaged)) * t->scale;
}

/* A step goes on where the last call left it: context->sample and ->query say what is next. */
static inline int bpfree_begins(const bpfree_context *c)
{
  return c->sample == 0 && c->query == 0;
}

/* Counts a pair of a sample and a query, which is done, and lets the caller's clock tick. BPFREE_MORE where the call
 * has done all that it may: context->spent counts up to 0. */
static inline int bpfree_done_one(const bpfree_trainer *t, bpfree_context *c)
{
  if (t->tick && t->tick(t->user)) return BPFREE_ERR_CALLBACK;
  return ++c->spent ? BPFREE_OK : BPFREE_MORE;
}

/* The difference that context->query makes to the loss of context->x. */
typedef float (*bpfree_difference)(const bpfree_trainer *t, const bpfree_context *c, float mu, float base,
                                   const bpfree_target *target);

/* The sums of all n differences over the minibatch, sample by sample. Always inlined, so that `difference` is too: a
 * call would take what this has in registers. */
static inline __attribute__((always_inline)) int bpfree_sum_differences(const bpfree_trainer *t, bpfree_context *c,
                                                                        uint32_t n, bpfree_difference difference)
{
  const float mu = bpfree_mu(t, c->step);
  while (n && c->sample < t->batch) {
    bpfree_target target;
    int status = bpfree_read_sample(t, c, c->sample, &target);
    if (status) return status;
    const float base = bpfree_two_sided(t) ? 0.0f : bpfree_loss_at(t, c, c->theta, &target);
    do {
      const float more = difference(t, c, mu, base, &target);
      float *const sum = &c->coefficients[c->query];
      *sum = c->sample ? *sum + more : more;
      if (++c->query == n) c->query = 0, c->sample++;
      status = bpfree_done_one(t, c);
      if (status) return status;
    } while (c->query);
  }
  return BPFREE_OK;
}

/* Coefficients of sums over a batch, for the mean over a group's queries. */
static inline void bpfree_mean_of_queries(const bpfree_trainer *t, bpfree_context *c, uint32_t batch)
{
  const float share = bpfree_share(t, c->step, batch, t->n_queries);
  const uint32_t n = bpfree_record_size(t);
  for (uint32_t k = 0; k < n; k++) c->coefficients[k] *= share;
}

#endif
