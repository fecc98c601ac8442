/* SPDX-License-Identifier: MIT */
/* Unit-wise node perturbation: for every sample and every unit h_j of a layer
 *   dL/dh_j = (L(h + mu e_j) - L(h - mu e_j)) / (2 mu)
 * or, one-sided, (L(h + mu e_j) - L(h)) / mu, from there back through elementwise
 * nodes by their slope, and for the layer's weights an outer product with its
 * input. The record is the gradient, summed sample by sample: no activation
 * of another sample is kept. */
#include "bits.h"
#include "given.h"
#include "differences.h"
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
  float mu;
} view;

static float *values(const view *l, uint32_t tensor)
{
  return l->pass.arena + l->pass.model->tensors[tensor].offset;
}

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

/* Where a unit moves the scores along a column w, the change of the loss has a closed form. */
static void probe_scores(const view *l, const bpfree_route *route)
{
  const bpfree_model *model = l->pass.model;
  const bpfree_closed *loss = l->own->loss;
  const uint32_t units = model->tensors[route->tensor].size;
  const int linear = route->column < model->n_nodes;
  const float *column = l->room;
  if (linear) column = bpfree_parameters(&l->pass, bpfree_node_slice(&l->pass, &model->nodes[route->column], 0));
  for (uint32_t o = 0; !linear && o < l->outputs; o++) l->room[o] = 0.0f;
  for (uint32_t j = 0; j < units; j++) {
    if (!linear) l->room[j] = 1.0f;
    if (l->delta[j] != 0.0f) {
      const uint32_t stride = linear ? units : 1;
      const float plus = loss->change(l->aid, l->outputs, &l->target, column, stride, l->mu);
      const float minus =
          bpfree_two_sided(l->t) ? loss->change(l->aid, l->outputs, &l->target, column, stride, -l->mu) : 0.0f;
      l->delta[j] = slope_of_loss(l, weighed(l, plus), weighed(l, minus));
    }
    if (linear) column++;
    else l->room[j] = 0.0f;
  }
}

/* The loss where unit j has moved by s: one column of the next layer, then what follows it; or what follows h. */
static float loss_beside(const view *l, const bpfree_route *route, uint32_t j, float s)
{
  const bpfree_model *model = l->pass.model;
  float *start = values(l, start_of(model, route));
  if (route->column < model->n_nodes) {
    const bpfree_node *node = &model->nodes[route->column];
    const uint32_t units = node->attributes[0], rows = node->attributes[1];
    const float *w = bpfree_parameters(&l->pass, bpfree_node_slice(&l->pass, node, 0)) + j;
    for (uint32_t o = 0; o < rows; o++) start[o] = l->room[o] + s * w[o * units];
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

static void add_sample(const view *l, float *gradient)
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
      if (start_of(model, route) == model->output)
        probe_scores(l, route);
      else
        probe_units(l, route);
    }
    for (uint32_t k = 0; k < route->n_elementwise; k++) apply_slope(l, &route->elementwise[k]);
    add_outer(l, &model->nodes[route->node], gradient);
  }
}

/* Floats of the widest layer that is probed, and of what is put aside beside it. */
static void widths(const bpfree_trainer *t, uint32_t *delta, uint32_t *room)
{
  const bpfree_model *model = t->model;
  const bpfree_unit_wise *own = t->settings;
  *delta = *room = 0;
  for (uint32_t r = 0; r < own->n_routes; r++) {
    const bpfree_route *route = &own->routes[r];
    const uint32_t start = start_of(model, route), size = model->tensors[route->tensor].size;
    if (size > *delta) *delta = size;
    const int aside = start == model->output ? start == route->tensor && !is_exact(t, route) : start != route->tensor;
    if (aside && model->tensors[start].size > *room) *room = model->tensors[start].size;
  }
}

static uint32_t work(const bpfree_trainer *t)
{
  if (!t->settings) return 0;
  uint32_t delta, room;
  widths(t, &delta, &room);
  return t->model->tensors[t->model->output].size + delta + room;
}

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  if (!t->settings) return BPFREE_ERR_ARG;
  const uint32_t d = t->model->n_theta, outputs = t->model->tensors[t->model->output].size;
  uint32_t width, room;
  widths(t, &width, &room);
  float *delta = c->work + outputs;
  view l = {.t = t,
            .own = t->settings,
            .pass = {t->model, c->theta, 0, c->x, c->arena, 1, 1},
            .outputs = outputs,
            .aid = c->work,
            .delta = delta,
            .room = delta + width,
            .mu = bpfree_mu(t, c->step)};
  const uint32_t old = bpfree_begins(c) ? d : 0;
  BPFREE_UNROLL_8 for (uint32_t k = 0; k < old; k++) c->coefficients[k] = 0.0f;
  while (c->sample < t->batch) {
    int status = bpfree_read_sample(t, c, c->sample, &l.target);
    if (status) return status;
    add_sample(&l, c->coefficients);
    c->sample++;
    status = bpfree_done_one(t, c);
    if (status) return status;
  }
  if (t->batch > 1) bpfree_scale(c->coefficients, 1.0f / (float)t->batch, c->coefficients, d);
  return BPFREE_OK;
}

const bpfree_estimator bpfree_est_unit_wise = {
    .estimate = estimate,
    .gradient = bpfree_given_gradient,
    .check = BPFREE_CHECKS ? bpfree_given_check : 0,
    .work = work,
};
