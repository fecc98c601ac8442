/* SPDX-License-Identifier: MIT */
/* A step is tried before it is made: would theta and the update's state be finite? A part of train.c. */
#ifndef BPFREE_LOOK_FIRST_H
#define BPFREE_LOOK_FIRST_H

#include <stddef.h>
#include "links.h"

/* Moves theta and state by a record. `dry`: only returns whether they would be finite. */
static int update_all(const bpfree_trainer *t, bpfree_context *c, const float *record, int dry);

/* bpfree_all_below, out of line: one copy in flash, not one a call. */
static __attribute__((noinline)) int all_below(const float *values, uint32_t n, uint32_t limit)
{
  return bpfree_all_below(values, n, limit);
}

#if BPFREE_LOOK_FIRST

/* Does coefficient_limit exclude that this step overflows? It counts with theta and state that are below it: from the
 * first step on, while coefficients are, or because they are found to be. */
static int is_small(const bpfree_trainer *t, bpfree_context *c, const float *coefficients)
{
  const uint32_t limit = bpfree_bits32(t->coefficient_limit);
  if (c->small_at != c->step) {
    if (!all_below(c->theta, t->model->n_theta, limit) || !all_below(c->state, bpfree_state_size(t), limit)) return 0;
    c->small_at = c->step;
  }
  const int small = all_below(coefficients, bpfree_record_size(t), limit);
  c->small_at += (uint32_t)small;
  return small;
}

/* Would theta and state be finite if the chunk g were taken off? Nothing is written but g. `record` is that of the
 * step, for the scalars. */
static int stays_finite(const bpfree_trainer *t, const bpfree_context *c, float factor, const float *record, float *g,
                        uint32_t first, uint32_t n)
{
  const float *base = c->state, *const theta = c->theta + first;
  int finite = 1;
  for (uint32_t k = 0; k < t->n_links; k++) {
    const bpfree_update *update = t->links[k].update;
    float kept[BPFREE_LINK_VECTORS] = {0.0f}, *vectors[BPFREE_LINK_VECTORS] = {kept, kept + 1};
    float scalars[BPFREE_LINK_SCALARS] = {0.0f};
    for (uint32_t v = 0; v < update->n_scalars; v++) scalars[v] = base[update->n_vectors * t->model->n_theta + v];
    if (update->begin) update->begin(t, record, scalars, t->links[k].settings);
    finite &= all_below(scalars, update->n_scalars, BPFREE_INFINITY_BITS);
    for (uint32_t i = 0; i < n; i++) {
      for (uint32_t v = 0; v < update->n_vectors; v++) kept[v] = base[v * t->model->n_theta + first + i];
      if (update->merges) kept[0] = g[i];
      update->transform(g + i, theta + i, vectors, scalars, t->links[k].settings, 1);
      finite &= all_below(kept, update->n_vectors, BPFREE_INFINITY_BITS);
    }
    if (base) base += bpfree_link_floats(t, k);
  }
  for (uint32_t i = 0; i < n; i++) g[i] = theta[i] - factor * g[i];
  return finite & all_below(g, n, BPFREE_INFINITY_BITS);
}

/* The row of a window that its record goes into, or NULL. */
static float *row_of(const bpfree_trainer *t, const bpfree_context *c)
{
  const bpfree_window *window = bpfree_window_of(t);
  if (!window) return NULL;
  const uint32_t size = bpfree_record_size(t), floats = window->state(t);
  return c->state + (bpfree_state_size(t) - floats) + c->step % (floats / size) * size;
}

/* A window's row takes the record in, and context->coefficients what it held; or back. */
static void swap_row(const bpfree_trainer *t, bpfree_context *c, const float *coefficients, float *row)
{
  const uint32_t n = row ? bpfree_record_size(t) : 0;
  for (uint32_t k = 0; k < n; k++) {
    const float kept = row[k];
    row[k] = coefficients[k];
    c->coefficients[k] = kept;
  }
}

/* Would theta and state be finite after the step of these coefficients? */
static int look_first(const bpfree_trainer *t, bpfree_context *c, const float *coefficients)
{
  if (!all_below(coefficients, bpfree_record_size(t), BPFREE_INFINITY_BITS)) return 0;
  float *const row = row_of(t, c);
  swap_row(t, c, coefficients, row);
  const int finite = update_all(t, c, row ? row : coefficients, 1);
  swap_row(t, c, c->coefficients, row);
  if (t->estimator->draw) t->estimator->draw(t, c); /* `weights` took its place */
  return finite;
}

#else

static int stays_finite(const bpfree_trainer *t, const bpfree_context *c, float factor, const float *record, float *g,
                        uint32_t first, uint32_t n)
{
  (void)t, (void)c, (void)factor, (void)record, (void)g, (void)first, (void)n;
  return 1;
}

static int is_small(const bpfree_trainer *t, bpfree_context *c, const float *coefficients)
{
  (void)c;
  const uint32_t own = bpfree_bits32(t->coefficient_limit), limit = own ? own : 0x5f800000u; /* 2^64 */
  return all_below(coefficients, bpfree_record_size(t), limit);
}

static int look_first(const bpfree_trainer *t, bpfree_context *c, const float *coefficients)
{
  (void)t, (void)c, (void)coefficients;
  return 0;
}

#endif

#endif
