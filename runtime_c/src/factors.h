/* SPDX-License-Identifier: MIT */
/* The record of UnitWise in factors: of every sample and layer y = W x + b, in the order of the routes, delta
 * (outputs) and x (inputs), whose outer products are the gradient. It takes little RAM, and a step by SGD on one
 * sample goes from here to theta, past the elements that do not move. A part of est_unit_wise.c. */
#ifndef BPFREE_FACTORS_H
#define BPFREE_FACTORS_H

#include "bits.h"
#include "clip.h"
#include "kernel.h"
#include "links.h"
#include "vector.h"

/* Where a layer's factors lie in those of a sample. */
typedef struct factors {
  uint32_t delta; /* floats before its delta, behind which x lies */
  uint32_t inputs;
  uint32_t outputs;
  uint32_t past; /* the slice's number in its layer: 0 the weight, 1 the bias */
} factors;

/* Those of the layer that this slice is of; where it is of none, `delta` is the size of a sample's factors. */
static factors find_factors(const bpfree_trainer *t, uint32_t slice)
{
  const bpfree_unit_wise *own = t->settings;
  factors at = {0, 0, 0, 0};
  for (uint32_t r = 0; r < own->n_routes; r++) {
    const bpfree_node *node = &t->model->nodes[own->routes[r].node];
    at.delta += at.inputs + at.outputs;
    at.inputs = node->attributes[0];
    at.outputs = node->attributes[1];
    at.past = slice - node->first_slice;
    if (at.past < node->n_slices) return at;
  }
  at.delta += at.inputs + at.outputs;
  return at;
}

static uint32_t factors_size(const bpfree_trainer *t)
{
  return find_factors(t, t->model->n_slices).delta;
}

/* Which of the two records a trainer has: the one that is as long as n_queries, the gradient where both are. */
static int is_factored(const bpfree_trainer *t)
{
  return BPFREE_RECORD_FACTORS && (!BPFREE_RECORD_GRADIENT || t->n_queries != t->model->n_theta);
}

/* Writes them down behind `to`; returns where the next layer's begin. */
static float *put_factors(float *to, const float *delta, uint32_t outputs, const float *x, uint32_t inputs)
{
  for (uint32_t o = 0; o < outputs; o++) *to++ = delta[o];
  for (uint32_t i = 0; i < inputs; i++) *to++ = x[i];
  return to;
}

/* g += delta x^T, n elements of it from the first. */
static void add_rows(float *g, const factors *at, const float *delta, uint32_t first, uint32_t n)
{
  const float *const x = delta + at->outputs;
  delta += first / at->inputs;
  for (uint32_t i = first % at->inputs, count; n; n -= count, g += count, i = 0, delta++) {
    count = at->inputs - i < n ? at->inputs - i : n;
    if (*delta != 0.0f) bpfree_axpy(g, *delta, x + i, count);
  }
}

/* The bits of a record that is the gradient. */
static void gradient_of_factors(const bpfree_trainer *t, const float *record, uint32_t slice, uint32_t first,
                                uint32_t n, float *g)
{
  const factors at = find_factors(t, slice);
  const uint32_t size = factors_size(t);
  for (uint32_t k = 0; k < n; k++) g[k] = 0.0f;
  for (uint32_t s = 0; s < t->batch; s++, record += size) {
    if (at.past == 0) add_rows(g, &at, record + at.delta, first, n);
    else bpfree_axpy(g, 1.0f, record + at.delta + first, n);
  }
  if (t->batch > 1) bpfree_scale(g, 1.0f / (float)t->batch, g, n);
  for (uint32_t k = 0; t->clip != 0.0f && k < n; k++) g[k] = bpfree_clipped(t, g[k]);
}

/* Can a step go from the factors to theta at once? */
static int needs_no_gradient(const bpfree_trainer *t)
{
  return is_factored(t) && t->batch == 1 && t->clip == 0.0f && t->n_links == 1 && t->links->update->apply_scaled;
}

#if BPFREE_RECORD_FACTORS
/* Would a row of theta be finite behind its `apply_scaled`? It goes through the arena, which is idle. */
static int stays_finite_by(const bpfree_trainer *t, const bpfree_context *c, const float *theta, float coefficient,
                           const float *x, float factor, uint32_t n)
{
  int finite = 1;
  for (uint32_t first = 0, count; first < n; first += count) {
    count = n - first < BPFREE_BLOCK ? n - first : BPFREE_BLOCK;
    for (uint32_t k = 0; k < count; k++) c->arena[k] = theta[first + k];
    t->links->update->apply_scaled(c->arena, coefficient, x + first, factor, t->links->settings, count);
    finite &= bpfree_all_below(c->arena, count, BPFREE_INFINITY_BITS);
  }
  return finite;
}

static int step_by_factors(const bpfree_trainer *t, const bpfree_context *c, const float *record, float factor,
                           uint32_t slice, int dry)
{
  if (BPFREE_GRADIENTS && !needs_no_gradient(t)) return -1;
  const factors at = find_factors(t, slice);
  const float *delta = record + at.delta, *x = delta + at.outputs, one = 1.0f;
  float *theta = c->theta + t->model->slices[slice].offset;
  uint32_t rows = at.outputs, n = at.inputs;
  if (at.past) { /* the bias: one row of delta */
    x = delta;
    delta = &one;
    n = rows;
    rows = 1;
  }
  int finite = 1;
  for (; rows; rows--, delta++, theta += n) {
    if (*delta == 0.0f) continue;
    if (dry) finite &= stays_finite_by(t, c, theta, *delta, x, factor, n);
    else t->links->update->apply_scaled(theta, *delta, x, factor, t->links->settings, n);
  }
  return finite;
}
#endif

#endif
