/* SPDX-License-Identifier: MIT */
/* Which nodes a probe makes run again: those that depend on what it moves, and
 * those whose results they read where these were not kept. */
#ifndef BPFREE_RESTART_H
#define BPFREE_RESTART_H

#include <string.h>
#include "bpfree/host.h"
#include "probe.h"
#include "span.h"

/* A model whose kept tensors lie behind the arena, and marks by tensor number. */
typedef struct restart {
  bpfree_model view;      /* the model, but for `tensors` */
  bpfree_tensor *tensors; /* (n_tensors) where this pass finds them */
  uint32_t *stale;        /* (n_tensors) 1: not what it is at theta */
  uint32_t *wanted;       /* (n_tensors) 1: its node runs */
  const bpfree_model *model;
  const bpfree_reuse *reuse; /* or NULL */
  uint32_t cache;            /* kept tensors start here, floats a sample from the start of the arena */
} restart;

static inline int bpfree_kept(const restart *r, uint32_t tensor)
{
  return r->reuse && r->reuse->places[tensor] < r->reuse->floats;
}

static inline int bpfree_moves(const bpfree_model *model, const bpfree_node *node, const struct bpfree_probe *probe)
{
  if (probe->mu == 0.0f) return 0;
  const bpfree_range own = bpfree_range_of(probe);
  for (uint32_t k = node->first_slice; k < node->first_slice + node->n_slices; k++) {
    const bpfree_span moved = bpfree_span_of(&model->slices[k], own.first, own.count);
    if (moved.from < moved.to) return 1;
  }
  return 0;
}

/* From the tensors that are wanted to those they are made of, as far as these do not lie in the cache. */
static inline void bpfree_want_sources(restart *r, int from_cache)
{
  for (uint32_t k = r->model->n_nodes; k-- > 0;) {
    const bpfree_node *node = &r->model->nodes[k];
    if (!r->wanted[node->output]) continue;
    if (from_cache && bpfree_kept(r, node->output) && !r->stale[node->output])
      r->wanted[node->output] = 0;
    else
      for (uint32_t i = 0; i < node->n_inputs; i++) r->wanted[node->inputs[i]] = 1;
  }
}

/* The pass at theta that fills the cache. */
static inline void bpfree_restart_fill(restart *r)
{
  for (uint32_t t = 0; t < r->model->n_tensors; t++) {
    r->stale[t] = 0;
    r->wanted[t] = bpfree_kept(r, t) ? 1 : 0;
  }
  bpfree_want_sources(r, 0);
}

/* The pass of a probe. */
static inline void bpfree_restart_probe(restart *r, const struct bpfree_probe *probe)
{
  memset(r->wanted, 0, r->model->n_tensors * sizeof *r->wanted);
  r->stale[r->model->input] = 0;
  for (uint32_t k = 0; k < r->model->n_nodes; k++) {
    const bpfree_node *node = &r->model->nodes[k];
    int stale = bpfree_moves(r->model, node, probe);
    for (uint32_t i = 0; i < node->n_inputs; i++) stale |= r->stale[node->inputs[i]] != 0;
    r->stale[node->output] = (uint32_t)stale;
  }
  r->wanted[r->model->output] = 1;
  bpfree_want_sources(r, 1);
}

/* Runs the pass, whose arena has the cache of `slot` tiles before this one's. */
static inline void bpfree_restart_run(const restart *r, const bpfree_pass *pass, uint32_t slot)
{
  for (uint32_t t = 0; t < r->model->n_tensors; t++) {
    r->tensors[t] = r->model->tensors[t];
    if (bpfree_kept(r, t) && !r->stale[t]) r->tensors[t].offset = r->cache + slot * r->reuse->floats + r->reuse->places[t];
  }
  for (uint32_t k = 0; k < r->model->n_nodes; k++)
    if (r->wanted[r->model->nodes[k].output]) r->model->nodes[k].kernel(pass, &r->model->nodes[k]);
}

#endif
