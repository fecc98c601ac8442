/* SPDX-License-Identifier: MIT */
/* n_queries = n of the d elements of theta, what est_cge.c and
 * est_coordinate_descent.c share. Number i is element k with P(k) = i, P a
 * permutation that is drawn every mask_refresh steps; there is none where n = d.
 * With masks each slice has a P and an n of its own, and the record is slice
 * after slice. In cyclic order P lasts until all elements were probed, block
 * after block of n, the last ones n - 1 where d is no multiple: number i is element
 * k with P(k) = start + i. No table of elements is kept. */
#ifndef BPFREE_COORDINATES_H
#define BPFREE_COORDINATES_H

#include "clip.h"
#include "differences.h"

/* Elements [first, first + size) of theta; those at places [start, start + count)
 * of their permutation `draw` are probed. */
typedef struct bpfree_stratum {
  uint32_t number, first, size, draw, start, count;
  float scale;
} bpfree_stratum;

/* Those of CGE; coordinate descent has none. */
static inline bpfree_cge bpfree_cge_of(const bpfree_trainer *t)
{
  const bpfree_cge none = {0, 0, 0};
  return t->settings ? *(const bpfree_cge *)t->settings : none;
}

/* Not inlined: it would be in flash three times. */
static __attribute__((noinline)) bpfree_stratum bpfree_stratum_of(const bpfree_trainer *t, uint32_t number, uint32_t step)
{
  const bpfree_cge own = bpfree_cge_of(t);
  const uint32_t draw = own.mask_refresh > 1 ? step / own.mask_refresh : step;
  if (own.masks) {
    const bpfree_slice *slice = &t->model->slices[number];
    const bpfree_mask mask = own.masks[number];
    return (bpfree_stratum){number, slice->offset, slice->size, draw, 0, mask.count, mask.scale};
  }
  const uint32_t d = t->model->n_theta, blocks = own.cycle;
  if (!blocks) return (bpfree_stratum){0, 0, d, draw, 0, t->n_queries, 1.0f};
  const uint32_t cycle = draw / blocks, block = draw % blocks;
  const uint32_t least = d / blocks, larger = d % blocks; /* so many blocks have one more */
  const uint32_t start = block * least + (block < larger ? block : larger);
  return (bpfree_stratum){0, 0, d, cycle, start, least + (block < larger), 1.0f};
}

static inline uint32_t bpfree_coordinate(const bpfree_trainer *t, bpfree_stratum p, uint32_t i)
{
  if (p.count == p.size) return p.first + i;
  return p.first + bpfree_unpermute(BPFREE_DOMAIN_MASK, p.number, t->seed, p.draw, p.size, p.start + i);
}

static inline void bpfree_coordinate_gradient(const bpfree_trainer *t, uint32_t step, const float *coefficients,
                                              uint32_t slice, uint32_t block, uint32_t n, float *g)
{
  const uint32_t first = t->model->slices[slice].offset + block * BPFREE_BLOCK, merges = t->links->update->merges;
  const bpfree_stratum p = bpfree_stratum_of(t, slice, step);
  const bpfree_mask *masks = bpfree_cge_of(t).masks;
  for (uint32_t before = 0; masks && before < slice; before++) coefficients += masks[before].count;
  for (uint32_t j = 0; j < n; j++) {
    const uint32_t k = first + j - p.first;
    const uint32_t place = p.count == p.size ? k
                                             : bpfree_permute(BPFREE_DOMAIN_MASK, p.number, t->seed, p.draw, p.size, k);
    const uint32_t i = place - p.start; /* those before start come out huge */
    if (i < p.count) g[j] = bpfree_clipped(t, coefficients[i]);
    else if (!merges) g[j] = 0.0f;
  }
}

static inline int bpfree_check_coordinates(const bpfree_trainer *t)
{
  const uint32_t d = t->model->n_theta;
  return t->n_queries <= d && d <= 0x80000000u ? BPFREE_OK : BPFREE_ERR_ARG;
}

#endif
