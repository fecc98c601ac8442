/* SPDX-License-Identifier: MIT */
#include <float.h>
#include <stddef.h>
#include "arithmetic.h"
#include "bpfree/train.h"
#include "clip.h"
#include "links.h"
#include "look_first.h"
#include "sides.h"
#include "span.h"
#include "vector.h"

float bpfree_mu(const bpfree_trainer *t, uint32_t step)
{
  return t->mu * bpfree_factor_at(&t->mu_schedule, step);
}

uint32_t bpfree_train_arena_size(const bpfree_model *model)
{
  const uint32_t size = bpfree_arena_size(model, 1);
  return size < BPFREE_BLOCK ? BPFREE_BLOCK : size;
}

uint32_t bpfree_record_size(const bpfree_trainer *t)
{
  return bpfree_n_groups(t) * t->n_queries;
}

uint32_t bpfree_link_floats(const bpfree_trainer *t, uint32_t link)
{
  const bpfree_update *update = t->links[link].update;
  if (!BPFREE_STATE) return 0;
  return update->n_vectors * t->model->n_theta + update->n_scalars;
}

uint32_t bpfree_state_size(const bpfree_trainer *t)
{
  uint32_t floats = 0;
  for (uint32_t k = 0; BPFREE_STATE && k < t->n_links; k++) floats += bpfree_link_floats(t, k);
  const bpfree_window *window = bpfree_window_of(t);
  return window ? floats + window->state(t) : floats;
}

uint32_t bpfree_work_size(const bpfree_trainer *t)
{
  if (!t->estimator->work) return 0;
  const bpfree_window *window = bpfree_window_of(t);
  return t->estimator->work(t) + (window ? window->work(t) : 0);
}

uint32_t bpfree_train_size(const bpfree_trainer *t)
{
  const bpfree_model *model = t->model;
  const uint32_t floats = model->n_theta + bpfree_state_size(t) + bpfree_work_size(t) +
                          model->tensors[model->input].size + bpfree_train_arena_size(model) + bpfree_record_size(t);
  return floats * (uint32_t)sizeof(float) + (uint32_t)sizeof(bpfree_context);
}

/* Vectors and records start at 0, scalars at 1. */
static void clear_state(const bpfree_trainer *t, float *state, uint32_t size)
{
  for (uint32_t i = 0; i < size; i++) state[i] = 0.0f;
  for (uint32_t k = 0; k < t->n_links; k++) {
    state += bpfree_link_floats(t, k);
    for (uint32_t i = 1; i <= t->links[k].update->n_scalars; i++) *(state - i) = 1.0f;
  }
}

/* Does a step need no gradient: one query of signs, and an update that takes them as they are? */
static int by_signs(const bpfree_trainer *t)
{
  return t->n_queries == 1 && t->n_links == 1 && t->estimator->signs && t->links->update->apply_signs;
}

#if BPFREE_CHECKS
static int normal(float x)
{
  return x >= FLT_MIN && x <= FLT_MAX;
}

static int check_buffer(const float *buffer, uint32_t floats, uint32_t needed)
{
  if (!needed) return BPFREE_OK;
  if (!buffer) return BPFREE_ERR_ARG;
  if (floats < needed) return BPFREE_ERR_SIZE;
  return (uintptr_t)buffer & (BPFREE_ALIGN - 1) ? BPFREE_ERR_ALIGN : BPFREE_OK;
}

static int check_buffers(const bpfree_trainer *t, const bpfree_context *c)
{
  const bpfree_model *model = t->model;
  int status = check_buffer(c->theta, c->theta_floats, model->n_theta);
  if (!status) status = check_buffer(c->x, c->x_floats, model->tensors[model->input].size);
  if (!status) status = check_buffer(c->arena, c->arena_floats, bpfree_train_arena_size(model));
  if (!status) status = check_buffer(c->coefficients, c->coefficient_floats, bpfree_record_size(t));
  if (!status) status = check_buffer(c->state, c->state_floats, bpfree_state_size(t));
  return status ? status : check_buffer(c->work, c->work_floats, bpfree_work_size(t));
}

static int links_valid(const bpfree_trainer *t)
{
  if (!t->links || t->n_links == 0) return 0;
  for (uint32_t k = 0; k < t->n_links; k++) {
    const bpfree_link *link = &t->links[k];
    if (!link->update || !link->settings || link->update->n_vectors > BPFREE_LINK_VECTORS ||
        link->update->n_scalars > BPFREE_LINK_SCALARS)
      return 0;
    if (!BPFREE_STATE && (link->update->n_vectors || link->update->n_scalars)) return 0;
    if (!BPFREE_WINDOWS && link->update->window) return 0;
    if (link->update->window && (k || link->update->window->check(t))) return 0;
    if (link->update->merges && (k || !t->estimator->coordinates)) return 0;
  }
  return 1;
}

static int check_trainer(const bpfree_trainer *t)
{
  if (!t->model || !t->estimator || !t->loss || !links_valid(t)) return BPFREE_ERR_ARG;
  if (t->batch == 0 || t->batch > 0x1000000u || t->n_queries == 0 || !bpfree_sides_built(t) ||
      t->weighted > BPFREE_WEIGHTS || t->estimator->check(t))
    return BPFREE_ERR_ARG;
  if (!BPFREE_GRADIENTS && !by_signs(t) && !t->estimator->scaled) return BPFREE_ERR_ARG;
  if (!normal(t->mu) || !normal(t->scale) || (t->clip != 0.0f && !normal(t->clip))) return BPFREE_ERR_ARG;
  return BPFREE_OK;
}

static int check_run(const bpfree_trainer *t, const bpfree_context *c)
{
  const int status = t && c ? check_trainer(t) : BPFREE_ERR_ARG;
  return status ? status : check_buffers(t, c);
}
#else
static int check_run(const bpfree_trainer *t, const bpfree_context *c)
{
  (void)t, (void)c;
  return BPFREE_OK;
}
#endif

int bpfree_train_init(const bpfree_trainer *t, bpfree_context *c)
{
  const int status = check_run(t, c);
  if (status) return status;
  if (BPFREE_CHECK_ARITHMETIC && !bpfree_strict()) return BPFREE_ERR_ARITHMETIC;
  const uint32_t n_state = bpfree_state_size(t);
  if (n_state) clear_state(t, c->state, n_state);
  c->step = c->small_at = c->sample = c->query = 0;
  return BPFREE_OK;
}

/* One query and a stateless update: no gradient is ever written down. A dry step has its elements of theta in the
 * arena, which is idle. Returns whether they are finite, which only a dry step looks at. */
static int update_by_signs(const bpfree_trainer *t, bpfree_context *c, float coefficient, float factor, uint32_t slice,
                           bpfree_span span, int dry)
{
  float *const theta = c->theta + t->model->slices[slice].offset;
  uint32_t words[2];
  int finite = 1;
  for (uint32_t k = span.from, n; k < span.to; k += n) {
    const uint32_t past = bpfree_before(k) % 32;
    n = span.to - k < 32 - past ? span.to - k : 32 - past;
    if (k % BPFREE_BLOCK == 0) t->estimator->signs(t, c->step, slice, k / BPFREE_BLOCK, words);
    const uint32_t word = words[k / 32 % 2] << past;
    float *to = theta + k;
    if (dry) {
      for (uint32_t i = 0; i < n; i++) c->arena[i] = to[i];
      to = c->arena;
    }
    t->links->update->apply_signs(to, coefficient, word, factor, t->links->settings, n);
    if (dry) finite &= all_below(to, n, BPFREE_INFINITY_BITS);
  }
  return finite;
}

void bpfree_update_chunk(const bpfree_trainer *t, bpfree_context *c, float factor, float *g, uint32_t first,
                         uint32_t n)
{
  float *base = c->state;
  for (uint32_t k = 0; k < t->n_links; k++) {
    const bpfree_update *update = t->links[k].update;
    float *vectors[BPFREE_LINK_VECTORS] = {NULL, NULL};
    for (uint32_t v = 0; v < update->n_vectors; v++) vectors[v] = base + v * t->model->n_theta + first;
    const float *scalars = update->n_scalars ? base + update->n_vectors * t->model->n_theta : NULL;
    update->transform(g, c->theta + first, vectors, scalars, t->links[k].settings, n);
    base = base ? base + bpfree_link_floats(t, k) : NULL;
  }
  bpfree_axpy(c->theta + first, -factor, g, n); /* the bits of theta - factor g */
}

/* Where an update that merges has its gradient: in the state itself, of which a dry step takes a copy. */
static float *place_of(bpfree_context *c, uint32_t first, uint32_t n, int dry)
{
  float *const own = c->state + first;
  for (uint32_t k = 0; dry && k < n; k++) c->arena[k] = own[k];
  return dry ? c->arena : own;
}

/* Elements of a slice that are in the group: chunk by chunk, of which those before the group's first are made and left
 * out. The arena is idle between evaluations: it holds the chunk of gradient. `dry`: theta and state stay as they are.
 * Returns whether they are, or would be, finite, which only a dry step looks at. */
static int update_slice(const bpfree_trainer *t, bpfree_context *c, const float *record, const float *weights,
                        float factor, uint32_t slice, bpfree_span span, int dry)
{
  if (BPFREE_PROBE_ON_READ && ((!BPFREE_GRADIENTS && !BPFREE_RECORD_FACTORS) || by_signs(t)))
    return update_by_signs(t, c, bpfree_clipped(t, *weights), factor, slice, span, dry);
#if BPFREE_RECORD_FACTORS
  if (!BPFREE_GRADIENTS || t->estimator->scaled) {
    const int made = t->estimator->scaled(t, c, record, factor, slice, dry);
    if (!BPFREE_GRADIENTS || made >= 0) return made;
  }
#endif
  const uint32_t offset = t->model->slices[slice].offset;
  uint32_t before = bpfree_before(span.from);
  int finite = 1;
  for (uint32_t done = span.from - before; done < span.to; done += BPFREE_BLOCK, before = 0) {
    const uint32_t n = span.to - done < BPFREE_BLOCK ? span.to - done : BPFREE_BLOCK, first = offset + done + before;
    const bpfree_window *window = bpfree_window_of(t);
    float *g = c->arena;
    if (t->links->update->merges) g = place_of(c, offset + done, n, dry);
    if (window) window->gradient(t, c, weights, slice, done / BPFREE_BLOCK, n, g);
    else t->estimator->gradient(t, c->step, weights, slice, done / BPFREE_BLOCK, n, g);
    if (dry) finite &= stays_finite(t, c, factor, record, g + before, first, n - before);
    else bpfree_update_chunk(t, c, factor, c->arena + before, first, n - before);
  }
  return finite;
}

void bpfree_begin_links(const bpfree_trainer *t, bpfree_context *c, const float *coefficients)
{
  float *base = c->state;
  for (uint32_t k = 0; k < t->n_links && base; k++) {
    const bpfree_update *update = t->links[k].update;
    float *const scalars = base + update->n_vectors * t->model->n_theta;
    if (update->begin) update->begin(t, coefficients, scalars, t->links[k].settings);
    base += bpfree_link_floats(t, k);
  }
}

static int update_all(const bpfree_trainer *t, bpfree_context *c, const float *record, int dry)
{
  const bpfree_window *window = bpfree_window_of(t);
  const float factor = bpfree_factor_at(&t->lr_schedule, c->step);
  int finite = 1;
  for (uint32_t g = 0, first, count; bpfree_group(t, g, &first, &count) == BPFREE_OK; g++) {
    const float *weights = record + g * t->n_queries;
    if (window) weights = window->weights(t, c, g, first, count);
    else if (t->estimator->weights) weights = t->estimator->weights(t, c, first, count, weights);
    for (uint32_t slice = 0; slice < t->model->n_slices; slice++) {
      const bpfree_span span = bpfree_span_of(&t->model->slices[slice], first, count);
      if (span.from < span.to) finite &= update_slice(t, c, record, weights, factor, slice, span, dry);
    }
  }
  return finite;
}

void bpfree_make_step(const bpfree_trainer *t, bpfree_context *c, const float *coefficients)
{
  bpfree_begin_links(t, c, coefficients);
  if (t->links->update->window) t->links->update->window->keep(t, c, coefficients);
  update_all(t, c, coefficients, 0);
  c->step++;
}

/* The step of a record, after its estimate or `draw`. */
static int apply(const bpfree_trainer *t, bpfree_context *c, const float *coefficients)
{
  if (!is_small(t, c, coefficients) && !look_first(t, c, coefficients)) return BPFREE_ERR_NUMERIC;
  bpfree_make_step(t, c, coefficients);
  return BPFREE_OK;
}

int bpfree_apply(const bpfree_trainer *t, bpfree_context *c, const float *coefficients)
{
  c->sample = c->query = 0;
  if (t->estimator->draw) t->estimator->draw(t, c);
  return apply(t, c, coefficients);
}

int bpfree_step_some(const bpfree_trainer *t, bpfree_context *c, uint32_t budget)
{
  if (!t->sample) return BPFREE_ERR_ARG;
  c->spent = 0 - budget;
  const int status = t->estimator->estimate(t, c);
  if (status == BPFREE_MORE) return status;
  c->sample = c->query = 0;
  return status ? status : apply(t, c, c->coefficients);
}

int bpfree_step(const bpfree_trainer *t, bpfree_context *c)
{
  int status;
  do status = bpfree_step_some(t, c, 0);
  while (status == BPFREE_MORE);
  return status;
}

int bpfree_skip(const bpfree_trainer *t, bpfree_context *c)
{
  const uint32_t n = bpfree_record_size(t);
  c->sample = c->query = 0;
  for (uint32_t k = 0; k < n; k++) c->coefficients[k] = 0.0f;
  const bpfree_window *window = bpfree_window_of(t);
  if (window) window->keep(t, c, c->coefficients);
  c->small_at += c->small_at == c->step;
  c->step++;
  return BPFREE_OK;
}
