/* SPDX-License-Identifier: MIT */
/* What equations in space and time read: of one output, first derivatives by
 * all coordinates and the Laplacian in all but the last, which is t. */
#ifndef BPFREE_RESIDUAL_H
#define BPFREE_RESIDUAL_H

#include "bpfree/pde.h"

static inline int bpfree_space_time(const bpfree_field *u)
{
  const bpfree_streams *streams = u->streams;
  return u->outputs == 1 && u->features >= 2 && !streams->directions && streams->n_first == u->features &&
         streams->n_forms == 1 && !streams->forms[0].terms && streams->forms[0].first == 0 &&
         streams->forms[0].count == u->features - 1;
}

/* Row k of the jet at point s: 0 the value, 1 + i by coordinate i, 1 + features the Laplacian. */
static inline float bpfree_of(const bpfree_field *u, uint32_t k, uint32_t s) { return u->jet[k * u->n + s]; }

/* u_t + Lap u - weight |grad u|^2 - source at point s, where u = v + (end - t) f
 * has v_i = slope x_i + lift and Laplacian bend: sums over ascending i. */
static inline float bpfree_hjb_at(const bpfree_hjb *hjb, const bpfree_field *u, uint32_t s, float slope, float lift,
                                  float bend)
{
  const uint32_t d = u->features - 1;
  const float left = hjb->end - u->x[d * u->n + s];
  float square = 0.0f;
  for (uint32_t i = 0; i < d; i++) {
    const float by_i = (slope * u->x[i * u->n + s] + lift) + left * bpfree_of(u, 1 + i, s);
    square += by_i * by_i;
  }
  const float by_t = left * bpfree_of(u, 1 + d, s) - bpfree_of(u, 0, s);
  return ((by_t + (bend + left * bpfree_of(u, 2 + d, s))) - hjb->weight * square) - hjb->source;
}

#endif
