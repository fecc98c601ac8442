/* SPDX-License-Identifier: MIT */
/* n_queries = n of the d elements of theta, what est_cge.c and
 * est_coordinate_descent.c share. Number i is element k with P(k) = i, P a
 * permutation that the step draws; there is none where n = d. No table. */
#ifndef BPFREE_COORDINATES_H
#define BPFREE_COORDINATES_H

#include "clip.h"
#include "differences.h"

static inline uint32_t bpfree_coordinate(const bpfree_trainer *t, uint32_t step, uint32_t i)
{
  const uint32_t d = t->model->n_theta;
  return t->n_queries == d ? i : bpfree_unpermute(BPFREE_DOMAIN_MASK, t->seed, step, d, i);
}

static inline void bpfree_coordinate_gradient(const bpfree_trainer *t, uint32_t step, const float *coefficients,
                                              uint32_t slice, uint32_t block, uint32_t n, float *g)
{
  const uint32_t d = t->model->n_theta, first = t->model->slices[slice].offset + block * BPFREE_BLOCK;
  for (uint32_t j = 0; j < n; j++) {
    const uint32_t k = first + j;
    const uint32_t i = t->n_queries == d ? k : bpfree_permute(BPFREE_DOMAIN_MASK, t->seed, step, d, k);
    g[j] = i < t->n_queries ? bpfree_clipped(t, coefficients[i]) : 0.0f;
  }
}

static inline int bpfree_check_coordinates(const bpfree_trainer *t)
{
  const uint32_t d = t->model->n_theta;
  return t->grouping == BPFREE_JOINT && t->n_queries <= d && d <= 0x80000000u ? BPFREE_OK : BPFREE_ERR_ARG;
}

#endif
