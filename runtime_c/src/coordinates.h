/* SPDX-License-Identifier: MIT */
/* n_queries = n of the d elements of theta, what est_cge.c and
 * est_coordinate_descent.c share. Number i is element k with P(k) = i, P a
 * permutation that is drawn every mask_refresh steps; there is none where n = d.
 * With masks each slice has a P and an n of its own, and the record is slice
 * after slice. No table of elements is kept. */
#ifndef BPFREE_COORDINATES_H
#define BPFREE_COORDINATES_H

#include "clip.h"
#include "differences.h"

/* Elements [first, first + size) of theta, `count` of them probed. */
typedef struct bpfree_part {
  uint32_t number, first, size, count;
  float scale;
} bpfree_part;

static inline bpfree_part bpfree_part_of(const bpfree_trainer *t, uint32_t number)
{
  if (!t->masks) return (bpfree_part){0, 0, t->model->n_theta, t->n_queries, 1.0f};
  const bpfree_slice *slice = &t->model->slices[number];
  return (bpfree_part){number, slice->offset, slice->size, t->masks[number].count, t->masks[number].scale};
}

/* The number of the draw that a step probes by. */
static inline uint32_t bpfree_draw_of(const bpfree_trainer *t, uint32_t step)
{
  return t->mask_refresh > 1 ? step / t->mask_refresh : step;
}

static inline uint32_t bpfree_coordinate(const bpfree_trainer *t, bpfree_part p, uint32_t draw, uint32_t i)
{
  return p.first + (p.count == p.size ? i : bpfree_unpermute(BPFREE_DOMAIN_MASK, p.number, t->seed, draw, p.size, i));
}

static inline void bpfree_coordinate_gradient(const bpfree_trainer *t, uint32_t step, const float *coefficients,
                                              uint32_t slice, uint32_t block, uint32_t n, float *g)
{
  const uint32_t first = t->model->slices[slice].offset + block * BPFREE_BLOCK, draw = bpfree_draw_of(t, step);
  const bpfree_part p = bpfree_part_of(t, slice);
  for (uint32_t before = 0; t->masks && before < slice; before++) coefficients += t->masks[before].count;
  for (uint32_t j = 0; j < n; j++) {
    const uint32_t k = first + j - p.first;
    const uint32_t i = p.count == p.size ? k
                                         : bpfree_permute(BPFREE_DOMAIN_MASK, p.number, t->seed, draw, p.size, k);
    g[j] = i < p.count ? bpfree_clipped(t, coefficients[i]) : 0.0f;
  }
}

static inline int bpfree_check_coordinates(const bpfree_trainer *t)
{
  const uint32_t d = t->model->n_theta;
  return t->grouping == BPFREE_JOINT && t->n_queries <= d && d <= 0x80000000u ? BPFREE_OK : BPFREE_ERR_ARG;
}

#endif
