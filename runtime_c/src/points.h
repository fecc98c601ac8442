/* SPDX-License-Identifier: MIT */
/* What rules share that call the network at points beside x: pairs x + d, x - d,
 * one pass after the other. */
#ifndef BPFREE_POINTS_H
#define BPFREE_POINTS_H

#include "bpfree/pde.h"

typedef struct bpfree_points {
  bpfree_pass pass;
  const float *x; /* (features, n) */
  float *shifted; /* (features, n), x between calls */
  float *centre;  /* (outputs, n) u(x) */
  float *odd;     /* (outputs, n) u(x + d) - u(x - d) of the last pair */
  float *even;    /* (outputs, n) fl(u(x + d) - u(x)) + fl(u(x - d) - u(x)): small differences of
                   * near numbers are exact, where u+ + u- - 2 u would round twice before */
  uint32_t width; /* outputs * n */
} bpfree_points;

/* A step whose square can be divided by. */
static inline int bpfree_points_step(float h) { return h > 0x1p-60f && h < 0x1p+60f; }

/* Is coordinate i in a form? */
static inline int bpfree_points_holds(const bpfree_form *form, uint32_t i) { return i - form->first < form->count; }

/* The streams of a rule that knows coordinates and sums of their own second derivatives only. */
int bpfree_points_check(const bpfree_streams *streams);

uint64_t bpfree_points_work(const bpfree_pde *pde, uint32_t n);

/* u(x), also into stream 0 of jet; the other streams are 0. */
void bpfree_points_start(bpfree_points *points, const bpfree_pde *pde, const float *theta, const float *x, uint32_t n,
                         float *work, float *jet);

/* The pair d = a e_i + b e_j; i = j: d = a e_i. */
void bpfree_points_pair(bpfree_points *points, uint32_t i, float a, uint32_t j, float b);

#endif
