/* SPDX-License-Identifier: MIT */
/* The links of an update at work, for whoever has a gradient in chunks. */
#ifndef BPFREE_LINKS_H
#define BPFREE_LINKS_H

#include "bits.h"
#include "bpfree/train.h"

#define BPFREE_LINK_VECTORS 2 /* of state a link, at most: Adam's two */
#define BPFREE_LINK_SCALARS 2 /* the same */

static inline float bpfree_factor_at(const bpfree_schedule *schedule, uint32_t step)
{
  return schedule->factor ? schedule->factor(schedule->settings, step) : 1.0f;
}

/* The window of the first link, or NULL. */
static inline const bpfree_window *bpfree_window_of(const bpfree_trainer *t)
{
  return BPFREE_WINDOWS ? t->links->update->window : 0;
}

#define BPFREE_INFINITY_BITS 0x7f800000u

/* Are they all smaller than limit, whatever their signs? By their bits, which are in the order of
 * the numbers, and without a branch: the compiler makes vectors of it. NaN is not. */
static inline int bpfree_all_below(const float *values, uint32_t n, uint32_t limit)
{
  uint32_t others = 0;
  for (uint32_t k = 0; k < n; k++) others |= (bpfree_bits32(values[k]) & 0x7fffffffu) >= limit;
  return others == 0;
}

static inline int bpfree_all_finite(const float *values, uint32_t n)
{
  return bpfree_all_below(values, n, BPFREE_INFINITY_BITS);
}

/* Floats of state of one link. */
uint32_t bpfree_link_floats(const bpfree_trainer *t, uint32_t link);

/* Moves the scalars of every link on, once a step. */
void bpfree_begin_links(const bpfree_trainer *t, bpfree_context *c, const float *coefficients);

/* The chunk g of the gradient, elements [first, first + n) of it, through all links, times factor, and off theta. */
void bpfree_update_chunk(const bpfree_trainer *t, bpfree_context *c, float factor, float *g, uint32_t first,
                         uint32_t n);

/* The step of a record that is finite, without a look at what becomes of theta and state. */
void bpfree_make_step(const bpfree_trainer *t, bpfree_context *c, const float *coefficients);

#endif
