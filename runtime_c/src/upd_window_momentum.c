/* SPDX-License-Identifier: MIT */
/* v_t = sum_{k < window} beta^k g_{t-k} by Horner's rule, v <- fl(fl(beta v) + g)
 * from the oldest step on, and g <- fl(lr v): no vector is kept, gradients of
 * earlier steps are rebuilt from their records. Settings {lr, beta, window}; the
 * state is `window` records, that of step t in row t mod window, coefficients cut. */
#include "kernel.h"
#include "bits.h"
#include "clip.h"

#define MOST 4096.0f /* records */

static uint32_t n_records(const bpfree_trainer *t)
{
  return (uint32_t)t->links->settings[2];
}

/* Does the estimator make anything of a record before its gradient? */
static int makes_weights(const bpfree_trainer *t)
{
  return t->estimator->weights && t->estimator->work(t);
}

/* Floats that the estimator's gradient reads of one group of a record, where it makes them. */
static uint32_t n_weights(const bpfree_trainer *t)
{
  return t->estimator->weights_fill_work ? t->estimator->work(t) : t->n_queries;
}

static int check(const bpfree_trainer *t)
{
  const float window = t->links->settings[2];
  if (!(window >= 1.0f && window <= MOST)) return BPFREE_ERR_ARG;
  const uint32_t most = UINT32_MAX / (uint32_t)MOST - 1u;
  if (bpfree_record_size(t) > most || n_weights(t) > most) return BPFREE_ERR_ARG;
  return t->estimator->weights && !t->estimator->work ? BPFREE_ERR_ARG : BPFREE_OK; /* where would they be kept? */
}

static uint32_t state(const bpfree_trainer *t)
{
  return n_records(t) * bpfree_record_size(t);
}

static uint32_t work(const bpfree_trainer *t)
{
  return n_records(t) * n_weights(t);
}

/* The first step that is still looked at. */
static uint32_t oldest(uint32_t step, uint32_t window)
{
  return step < window ? 0u : step - (window - 1u);
}

static float *records(const bpfree_trainer *t, const bpfree_context *c)
{
  return c->state + (bpfree_state_size(t) - state(t));
}

static void keep(const bpfree_trainer *t, const bpfree_context *c, const float *coefficients)
{
  const uint32_t size = bpfree_record_size(t);
  float *const row = records(t, c) + c->step % n_records(t) * size;
  for (uint32_t k = 0; k < size; k++) row[k] = bpfree_clipped(t, coefficients[k]);
}

/* A group's part of all records; or what the estimator makes of each, behind the
 * floats it works in itself. */
static const float *weights(const bpfree_trainer *t, const bpfree_context *c, uint32_t group, uint32_t first,
                            uint32_t count)
{
  const float *const own = records(t, c) + group * t->n_queries;
  if (!makes_weights(t)) return own;
  const uint32_t window = n_records(t), size = bpfree_record_size(t), n = n_weights(t);
  float *const kept = c->work + t->estimator->work(t);
  const uint32_t steps = c->step - oldest(c->step, window) + 1u;
  bpfree_context then = *c;
  for (uint32_t back = 0; back < steps; back++) {
    then.step = c->step - back;
    const uint32_t row = then.step % window;
    if (t->estimator->draw) t->estimator->draw(t, &then);
    const float *made = t->estimator->weights(t, &then, first, count, own + row * size);
    bpfree_word *const to = (bpfree_word *)kept + row * n;
    for (uint32_t k = 0; k < n; k++) to[k] = ((const bpfree_word *)made)[k]; /* some are no floats */
  }
  return kept;
}

static void gradient(const bpfree_trainer *t, const bpfree_context *c, const float *rows, uint32_t slice,
                     uint32_t block, uint32_t n, float *g)
{
  const uint32_t window = n_records(t);
  const uint32_t stride = makes_weights(t) ? n_weights(t) : bpfree_record_size(t);
  const float beta = t->links->settings[1];
  const uint32_t first = oldest(c->step, window);
  t->estimator->gradient(t, first, rows + first % window * stride, slice, block, n, g);
  for (uint32_t step = first + 1u; step <= c->step && step != 0u; step++) {
    float next[BPFREE_BLOCK];
    t->estimator->gradient(t, step, rows + step % window * stride, slice, block, n, next);
    for (uint32_t k = 0; k < n; k++) g[k] = beta * g[k] + next[k];
  }
}

static void transform(float *g, const float *theta, float *const *state, const float *scalars, const float *settings,
                      uint32_t n)
{
  const float lr = settings[0];
  (void)theta;
  (void)state;
  (void)scalars;
  for (uint32_t k = 0; k < n; k++) g[k] = lr * g[k];
}

static const bpfree_window last = {check, state, work, keep, weights, gradient};

const bpfree_update BPFREE_KERNEL(upd_window_momentum) = {transform, 0, 0, 0, 0, &last, 0, 0};
