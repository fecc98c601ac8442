/* SPDX-License-Identifier: MIT */
/* What estimators that compare losses share. */
#ifndef BPFREE_DIFFERENCES_H
#define BPFREE_DIFFERENCES_H

#include "bpfree/train.h"

/* Sample i of the minibatch to context->x, and its target. */
static inline int bpfree_read_sample(const bpfree_trainer *t, const bpfree_context *c, uint32_t i,
                                     bpfree_target *target)
{
  target->label = 0;
  target->values = 0;
  if (t->sample(t->user, c->step, i, c->x, target)) return BPFREE_ERR_CALLBACK;
  return target->label < t->model->tensors[t->model->output].size ? BPFREE_OK : BPFREE_ERR_ARG;
}

static inline float bpfree_loss_of(const bpfree_trainer *t, const bpfree_pass *pass, uint32_t side,
                                   const bpfree_target *target)
{
  float value;
  t->loss(bpfree_output(pass, side), t->model->tensors[t->model->output].size, &target->label, target->values, 1,
          &value);
  return value;
}

/* The loss of context->x at parameters theta, by a plain forward pass. */
static inline float bpfree_loss_at(const bpfree_trainer *t, const bpfree_context *c, const float *theta,
                                   const bpfree_target *target)
{
  const bpfree_pass pass = {t->model, theta, 0, c->x, c->arena, 1, 1};
  bpfree_forward(&pass);
  return bpfree_loss_of(t, &pass, 0, target);
}

/* What sums of differences are multiplied by, for the mean over this many coefficients. */
static inline float bpfree_share(const bpfree_trainer *t, uint32_t step, uint32_t averaged)
{
  const float mu = bpfree_mu(t, step), width = t->two_sided ? 2.0f * mu : mu;
  return 1.0f / (width * ((float)t->batch * (float)averaged)) * t->scale;
}

/* Random directions: queries have 12 bits of the stream. */
static inline int bpfree_check_queries(const bpfree_trainer *t)
{
  return t->n_queries <= 4096 ? BPFREE_OK : BPFREE_ERR_ARG;
}

#endif
