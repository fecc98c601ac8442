/* SPDX-License-Identifier: MIT */
/* v_t = sum_{k < window} beta^k g_{t-k} by Horner's rule, v <- fl(fl(beta v) + g)
 * from the oldest step on, and g <- fl(lr v): no vector is kept, gradients of
 * earlier steps are rebuilt from their records. Settings {lr, beta, window}; the
 * state is `window` records, that of step t in row t mod window, coefficients cut. */
#include "bpfree/train.h"
#include "clip.h"

#define MOST 4096.0f

static uint32_t n_records(const float *settings)
{
  return settings[2] >= 1.0f && settings[2] <= MOST ? (uint32_t)settings[2] : 0u;
}

/* The first step that is still looked at. */
static uint32_t oldest(uint32_t step, uint32_t window)
{
  return step < window ? 0u : step - (window - 1u);
}

static void begin(const bpfree_trainer *t, uint32_t step, const float *coefficients, float *records,
                  const float *settings)
{
  const uint32_t size = bpfree_record_size(t);
  float *const row = records + step % n_records(settings) * size;
  for (uint32_t k = 0; k < size; k++) row[k] = bpfree_clipped(t, coefficients[k]);
}

/* A group's part of all records; or what the estimator makes of each, behind the
 * floats it works in itself. */
static const float *weights(const bpfree_trainer *t, const bpfree_context *c, uint32_t group, uint32_t first,
                            uint32_t count)
{
  const float *const own = c->state + group * t->n_queries;
  if (!t->estimator->weights) return own;
  const uint32_t window = n_records(t->links->settings), size = bpfree_record_size(t);
  float *const kept = c->work + t->estimator->work(t);
  const uint32_t steps = c->step - oldest(c->step, window) + 1u;
  bpfree_context then = *c;
  for (uint32_t back = 0; back < steps; back++) {
    then.step = c->step - back;
    const uint32_t row = then.step % window;
    const float *made = t->estimator->weights(t, &then, first, count, own + row * size);
    for (uint32_t k = 0; k < t->n_queries; k++) kept[row * t->n_queries + k] = made[k];
  }
  return kept;
}

static void gradient(const bpfree_trainer *t, const bpfree_context *c, const float *rows, uint32_t slice,
                     uint32_t block, uint32_t n, float *g)
{
  const uint32_t window = n_records(t->links->settings);
  const uint32_t stride = t->estimator->weights ? t->n_queries : bpfree_record_size(t);
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

static const bpfree_window last = {n_records, weights, gradient};

const bpfree_update bpfree_upd_window_momentum = {transform, begin, 0, 0, 0, &last};
