/* SPDX-License-Identifier: MIT */
/* Estimators whose record is the gradient: one coefficient an element of theta. */
#ifndef BPFREE_GIVEN_H
#define BPFREE_GIVEN_H

#include "bits.h"
#include "clip.h"

static void bpfree_given_gradient(const bpfree_trainer *t, uint32_t step, const float *coefficients, uint32_t slice,
                                  uint32_t block, uint32_t n, float *g)
{
  (void)step;
  const float *from = coefficients + t->model->slices[slice].offset + block * BPFREE_BLOCK;
  BPFREE_UNROLL_8 for (uint32_t j = 0; j < n; j++) g[j] = from[j];
  for (uint32_t j = 0; t->clip != 0.0f && j < n; j++) g[j] = bpfree_clipped(t, g[j]);
}

static int bpfree_given_check(const bpfree_trainer *t)
{
  return t->n_queries == t->model->n_theta ? BPFREE_OK : BPFREE_ERR_ARG;
}

#endif
