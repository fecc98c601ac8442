/* SPDX-License-Identifier: MIT */
/* A golden run as a caller sets it up, each buffer exactly as large as the
 * headers say, so that the address sanitizer sees one float too many. */
#ifndef BPFREE_TESTS_RUN_H
#define BPFREE_TESTS_RUN_H

#ifndef _POSIX_C_SOURCE
#error "define _POSIX_C_SOURCE 200112L before the first header: posix_memalign"
#endif
#include <stdlib.h>
#include "check.h"
#include "vectors.gen.h"

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))
#define SCALAR 0 /* number of the instruction set that has one lane */

/* Aligned memory of this many bytes; never NULL. */
static inline void *room(uint64_t bytes)
{
  void *memory = NULL;
  if (posix_memalign(&memory, 64, bytes ? (size_t)bytes : 1)) abort();
  return memory;
}

static inline float *floats(uint32_t n) { return room((uint64_t)n * sizeof(float)); }

typedef struct run {
  bpfree_rows rows;
  bpfree_trainer trainer;
  bpfree_context context;
  float settings[1];
  bpfree_link link;
} run;

/* Fills r and returns what bpfree_train_init says; r stays where it is. */
static inline int run_start(run *r, const golden_run *g)
{
  const golden_network *network = g->network;
  const bpfree_model *model = &network->model;
  const uint32_t features = model->tensors[model->input].size, outputs = model->tensors[model->output].size;
  const bpfree_rows rows = {network->batch, NULL, features, outputs, g->seed, g->batch};
  r->rows = rows;
  r->settings[0] = g->lr;
  r->link.update = &bpfree_upd_sgd;
  r->link.settings = r->settings;
  const bpfree_trainer trainer = {.model = model,
                                  .estimator = bpfree_registry_estimator(g->estimator),
                                  .settings = g->settings,
                                  .links = &r->link,
                                  .n_links = 1,
                                  .loss = bpfree_registry_loss(SCALAR, network->loss),
                                  .sample = bpfree_sample_row,
                                  .user = &r->rows,
                                  .seed = g->seed,
                                  .batch = g->batch,
                                  .n_queries = g->n_queries,
                                  .two_sided = g->two_sided,
                                  .mu = g->mu,
                                  .scale = g->scale};
  r->trainer = trainer;
  bpfree_context context = {.theta_floats = model->n_theta,
                            .x_floats = features,
                            .arena_floats = bpfree_train_arena_size(model),
                            .coefficient_floats = bpfree_record_size(&r->trainer),
                            .work_floats = bpfree_work_size(&r->trainer)};
  context.theta = floats(context.theta_floats);
  context.x = floats(context.x_floats);
  context.arena = floats(context.arena_floats);
  context.coefficients = floats(context.coefficient_floats);
  context.work = floats(context.work_floats);
  r->context = context;
  memcpy(r->context.theta, network->theta, model->n_theta * sizeof(float));
  return bpfree_train_init(&r->trainer, &r->context);
}

/* Settings of a CGE run. */
static inline bpfree_cge cge_of(const golden_run *g)
{
  const bpfree_cge none = {0};
  const int own = g->settings && bpfree_registry_estimator(g->estimator) == &bpfree_est_cge;
  return own ? *(const bpfree_cge *)g->settings : none;
}

static inline void run_end(run *r)
{
  free(r->context.theta);
  free(r->context.x);
  free(r->context.arena);
  free(r->context.coefficients);
  free(r->context.work);
}

#endif
