/* SPDX-License-Identifier: MIT */
/* Unit-wise node perturbation: for every sample and every unit h_j of a layer
 *   dL/dh_j = (L(h + mu e_j) - L(h - mu e_j)) / (2 mu)
 * or, one-sided, (L(h + mu e_j) - L(h)) / mu, from there back through elementwise
 * nodes by their slope, and for the layer's weights an outer product with its
 * input. The record is what `n_queries` has room for: the gradient, summed sample by sample,
 * or the factors of every sample's outer products, which are mostly fewer. */
#include "bits.h"
#include "differences.h"
#include "factors.h"
#include "given.h"
#include "kernel.h"
#include "vector.h"

/* One sample as it lies in the layers. */
typedef struct view {
  const bpfree_trainer *t;
  const bpfree_unit_wise *own; /* its settings */
  bpfree_pass pass;
  bpfree_target target;
  uint32_t outputs;
  float *aid;   /* (outputs) the loss's own */
  float *delta; /* derivatives by the units of one layer */
  float *room;  /* the scores of the layer behind, or a unit vector */
  float *column; /* one of the layer behind, where that is made */
  float *within; /* what a layer that is not W itself works in */
  float mu;
} view;

/* The tensor that a unit's change is put into: the result of the node that it is a column of, or its own. */
static uint32_t start_of(const bpfree_model *model, const bpfree_route *route)
{
  return route->column < model->n_nodes ? model->nodes[route->column].output : route->tensor;
}

static int is_exact(const bpfree_trainer *t, const bpfree_route *route)
{
  const bpfree_unit_wise *own = t->settings;
  return own->exact_head && route->tensor == t->model->output;
}

static float weighed(const view *l, float change)
{
  return bpfree_weighed(l->t, &l->target, change);
}

/* f(mu) - f(-mu) over 2 mu, or f(mu) over mu, f the change of the loss where one unit moves that far. */
static float slope_of_loss(const view *l, float plus, float minus)
{
  return bpfree_two_sided(l->t) ? (plus - minus) * (1.0f / (l->mu + l->mu)) : plus * (1.0f / l->mu);
}

/* Where the scores are, delta is of the loss: it takes the sample's weight. */
static void weigh_scores(const view *l)
{
#if BPFREE_WEIGHTS
  for (uint32_t o = 0; l->t->weighted && o < l->outputs; o++) l->delta[o] = l->target.weight * l->delta[o];
#else
  (void)l;
#endif
}

/* Column j of the layer behind, whose elements lie `stride` apart. */
static const float *column_of(const view *l, const bpfree_route *route, uint32_t j, uint32_t *stride)
{
  const bpfree_node *node = &l->pass.model->nodes[route->column];
  if (BPFREE_LAYERS && route->behind) {
    route->behind->column(&l->pass, node, l->within, j, l->column);
    *stride = 1;
    return l->column;
  }
  *stride = node->attributes[0];
  return bpfree_parameters(&l->pass, bpfree_node_slice(&l->pass, node, 0)) + j;
}

/* Where a unit moves the scores along a column w, the change of the loss has a closed form. */
static void probe_scores(const view *l, const bpfree_route *route)
{
  const bpfree_model *model = l->pass.model;
  const bpfree_closed *loss = l->own->loss;
  const uint32_t units = model->tensors[route->tensor].size;
  const int linear = route->column < model->n_nodes;
  for (uint32_t o = 0; !linear && o < l->outputs; o++) l->room[o] = 0.0f;
  for (uint32_t j = 0; j < units; j++) {
    if (!linear) l->room[j] = 1.0f;
    if (l->delta[j] != 0.0f) {
      uint32_t stride = 1;
      const float *const column = linear ? column_of(l, route, j, &stride) : l->room;
      const float plus = loss->change(l->aid, l->outputs, &l->target, column, stride, l->mu);
      const float minus =
          bpfree_two_sided(l->t) ? loss->change(l->aid, l->outputs, &l->target, column, stride, -l->mu) : 0.0f;
      l->delta[j] = slope_of_loss(l, weighed(l, plus), weighed(l, minus));
    }
    if (!linear) l->room[j] = 0.0f;
  }
}

#if BPFREE_RERUN
static float *values(const view *l, uint32_t tensor)
{
  return l->pass.arena + l->pass.model->tensors[tensor].offset;
}

/* Runs the nodes behind the start of a route again. */
static void rerun(const view *l, const bpfree_route *route)
{
  const bpfree_model *model = l->pass.model;
  const uint32_t own = route->n_elementwise ? route->elementwise[0].node : route->node;
  for (uint32_t k = (route->column < model->n_nodes ? route->column : own) + 1; k < model->n_nodes; k++)
    model->nodes[k].kernel(&l->pass, &model->nodes[k]);
}

static float loss_again(const view *l, const bpfree_route *route)
{
  rerun(l, route);
  return bpfree_loss_of(l->t, &l->pass, 0, &l->target);
}

/* The loss where unit j has moved by s: one column of the next layer, then what follows it; or what follows h. */
static float loss_beside(const view *l, const bpfree_route *route, uint32_t j, float s)
{
  const bpfree_model *model = l->pass.model;
  float *start = values(l, start_of(model, route));
  if (route->column < model->n_nodes) {
    const uint32_t rows = model->tensors[start_of(model, route)].size;
    uint32_t stride;
    const float *const w = column_of(l, route, j, &stride);
    for (uint32_t o = 0; o < rows; o++) start[o] = l->room[o] + s * w[o * stride];
    return loss_again(l, route);
  }
  const float kept = start[j];
  start[j] = kept + s;
  const float loss = loss_again(l, route);
  start[j] = kept;
  return loss;
}

static void probe_units(const view *l, const bpfree_route *route)
{
  const bpfree_model *model = l->pass.model;
  const uint32_t units = model->tensors[route->tensor].size, tensor = start_of(model, route);
  const uint32_t size = route->column < model->n_nodes ? model->tensors[tensor].size : 0;
  float *start = values(l, tensor);
  const float base = bpfree_loss_of(l->t, &l->pass, 0, &l->target);
  for (uint32_t o = 0; o < size; o++) l->room[o] = start[o];
  for (uint32_t j = 0; j < units; j++)
    if (l->delta[j] != 0.0f) {
      const float plus = loss_beside(l, route, j, l->mu) - base;
      const float minus = bpfree_two_sided(l->t) ? loss_beside(l, route, j, -l->mu) - base : 0.0f;
      l->delta[j] = slope_of_loss(l, plus, minus);
    }
  for (uint32_t o = 0; o < size; o++) start[o] = l->room[o];
  rerun(l, route); /* every activation is again what the pass left */
}

#endif

static void apply_slope(const view *l, const bpfree_elementwise *b)
{
  b->slope(&l->pass, &l->pass.model->nodes[b->node], l->delta);
}

/* delta is 1 where a change of the unit is a change of the layer, 0 where a slope
 * is 0: such a unit need not be probed. */
static void mark_units(const view *l, const bpfree_route *route)
{
  const uint32_t units = l->pass.model->tensors[route->tensor].size;
  for (uint32_t j = 0; j < units; j++) l->delta[j] = 1.0f;
  for (uint32_t k = 0; k < route->n_elementwise; k++) {
    apply_slope(l, &route->elementwise[k]);
    for (uint32_t j = 0; j < units; j++) l->delta[j] = l->delta[j] == 0.0f ? 0.0f : 1.0f;
  }
}

/* coefficients += delta x^T at the weight, delta at the bias. Adding 0 x is left out: it changes no bit. */
static void add_outer(const view *l, const bpfree_node *node, float *gradient)
{
  const uint32_t inputs = node->attributes[0], rows = node->attributes[1];
  const bpfree_slice *weight = bpfree_node_slice(&l->pass, node, 0);
  const float *x = bpfree_input(&l->pass, node, 0, 0);
  float *g = gradient + weight->offset;
  for (uint32_t o = 0; !weight->frozen && o < rows; o++, g += inputs)
    if (l->delta[o] != 0.0f) bpfree_axpy(g, l->delta[o], x, inputs);
  if (node->n_slices < 2 || bpfree_node_slice(&l->pass, node, 1)->frozen) return;
  g = gradient + bpfree_node_slice(&l->pass, node, 1)->offset;
  for (uint32_t o = 0; o < rows; o++) g[o] += l->delta[o];
}

/* One layer's part of the record, with its input and the derivatives by its output; returns where the next one's is. */
static float *put_layer(const view *l, const bpfree_route *route, int factored, float *record)
{
  const bpfree_node *node = &l->pass.model->nodes[route->node];
  if (BPFREE_LAYERS && route->layer) {
    route->layer->project(&l->pass, node, l->delta, record, l->within);
    return record;
  }
  if (factored)
    return put_factors(record, l->delta, node->attributes[1], bpfree_input(&l->pass, node, 0, 0), node->attributes[0]);
  add_outer(l, node, record);
  return record;
}

/* Returns where the record of the next sample begins. */
static float *add_sample(const view *l, int factored, float *record)
{
  const bpfree_model *model = l->pass.model;
  bpfree_forward(&l->pass);
  l->own->loss->prepare(bpfree_output(&l->pass, 0), l->outputs, &l->target, l->aid);
  for (uint32_t r = 0; r < l->own->n_routes; r++) {
    const bpfree_route *route = &l->own->routes[r];
    if (is_exact(l->t, route)) {
      l->own->loss->gradient(l->aid, l->outputs, &l->target, l->delta);
      weigh_scores(l);
    } else {
      mark_units(l, route);
      if (BPFREE_LAYERS && route->behind) route->behind->halves(&l->pass, &model->nodes[route->column], l->within);
#if BPFREE_RERUN
      if (start_of(model, route) != model->output) probe_units(l, route);
      else
#endif
        probe_scores(l, route);
    }
    for (uint32_t k = 0; k < route->n_elementwise; k++) apply_slope(l, &route->elementwise[k]);
    record = put_layer(l, route, factored, record);
  }
  return record;
}

/* Floats of what is worked in, one behind the other. */
typedef struct rooms {
  uint32_t delta;  /* of the widest layer that is probed */
  uint32_t aside;  /* of what is put aside beside it */
  uint32_t column;
  uint32_t within;
} rooms;

static void widen(uint32_t *room, uint32_t size)
{
  if (size > *room) *room = size;
}

static rooms rooms_of(const bpfree_trainer *t)
{
  const bpfree_model *model = t->model;
  const bpfree_unit_wise *own = t->settings;
  rooms found = {0, 0, 0, 0};
  for (uint32_t r = 0; r < own->n_routes; r++) {
    const bpfree_route *route = &own->routes[r];
    const uint32_t start = start_of(model, route);
    const int aside = start == model->output ? start == route->tensor && !is_exact(t, route) : start != route->tensor;
    widen(&found.delta, model->tensors[route->tensor].size);
    if (aside) widen(&found.aside, model->tensors[start].size);
    if (!BPFREE_LAYERS) continue;
    if (route->layer) widen(&found.within, route->layer->project_size(&model->nodes[route->node]));
    if (!route->behind) continue;
    widen(&found.column, model->tensors[start].size);
    widen(&found.within, route->behind->column_size(&model->nodes[route->column]));
  }
  return found;
}

static uint32_t work(const bpfree_trainer *t)
{
  if (!t->settings) return 0;
  const rooms own = rooms_of(t);
  return t->model->tensors[t->model->output].size + own.delta + own.aside + own.column + own.within;
}

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  if (!t->settings) return BPFREE_ERR_ARG;
  const uint32_t d = t->model->n_theta, outputs = t->model->tensors[t->model->output].size;
  const rooms own = rooms_of(t);
  float *const delta = c->work + outputs;
  view l = {.t = t,
            .own = t->settings,
            .pass = {t->model, c->theta, 0, c->x, c->arena, 1, 1},
            .outputs = outputs,
            .aid = c->work,
            .delta = delta,
            .room = delta + own.delta,
            .column = delta + own.delta + own.aside,
            .within = delta + own.delta + own.aside + own.column,
            .mu = bpfree_mu(t, c->step)};
  const int factored = is_factored(t);
  const uint32_t old = !factored && bpfree_begins(c) ? d : 0;
  for (uint32_t k = 0; k < old; k++) c->coefficients[k] = 0.0f;
  const uint32_t each = factored ? factors_size(t) : 0; /* floats of a sample's record */
  while (c->sample < t->batch) {
    int status = bpfree_read_sample(t, c, c->sample, &l.target);
    if (status) return status;
    add_sample(&l, factored, c->coefficients + c->sample * each);
    c->sample++;
    status = bpfree_done_one(t, c);
    if (status) return status;
  }
  if (!factored && t->batch > 1) bpfree_scale(c->coefficients, 1.0f / (float)t->batch, c->coefficients, d);
  return BPFREE_OK;
}

static void gradient(const bpfree_trainer *t, uint32_t step, const float *coefficients, uint32_t slice, uint32_t block,
                     uint32_t n, float *g)
{
  if (is_factored(t)) gradient_of_factors(t, coefficients, slice, block * BPFREE_BLOCK, n, g);
  else bpfree_given_gradient(t, step, coefficients, slice, block, n, g);
}

/* A layer that is not W itself wants a batch of 1, and a record that is the gradient. */
static int check(const bpfree_trainer *t)
{
  const bpfree_unit_wise *own = t->settings;
  for (uint32_t r = 0; own && r < own->n_routes; r++) {
    const bpfree_route *route = &own->routes[r];
    if (!BPFREE_RERUN && start_of(t->model, route) != t->model->output) return BPFREE_ERR_ARG;
    if (!BPFREE_LAYERS && (route->layer || route->behind)) return BPFREE_ERR_ARG;
    if (route->layer) return t->batch == 1 ? bpfree_given_check(t) : BPFREE_ERR_ARG;
  }
  if (!BPFREE_GRADIENTS && !needs_no_gradient(t)) return BPFREE_ERR_ARG;
  const int factors = BPFREE_RECORD_FACTORS && t->settings && t->n_queries == factors_size(t) * t->batch;
  return factors || (BPFREE_RECORD_GRADIENT && bpfree_given_check(t) == BPFREE_OK) ? BPFREE_OK : BPFREE_ERR_ARG;
}

const bpfree_estimator bpfree_est_unit_wise = {
    .estimate = estimate,
    .gradient = BPFREE_GRADIENTS ? gradient : 0,
    .check = BPFREE_CHECKS ? check : 0,
    .work = work,
#if BPFREE_RECORD_FACTORS
    .scaled = step_by_factors,
#endif
};
