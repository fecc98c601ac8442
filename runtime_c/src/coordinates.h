/* SPDX-License-Identifier: MIT */
/* n_queries = n of the d elements of theta, what est_cge.c and
 * est_coordinate_descent.c share. Number i is element k with P(k) = i, P a
 * permutation that is drawn every mask_refresh steps; there is none where n = d.
 * With masks each slice has a P and an n of its own, and the record is slice
 * after slice. In cyclic order P lasts until all elements were probed, block
 * after block of n, the last ones n - 1 where d is no multiple: number i is element
 * k with P(k) = start + i.
 *
 * Few elements are found once a step, by P backwards, and kept in context->work;
 * with their coefficients they make the gradient. Of many nothing is kept: each
 * is found when it is its turn, and the gradient asks every element for its P. */
#ifndef BPFREE_COORDINATES_H
#define BPFREE_COORDINATES_H

#include "bits.h"
#include "clip.h"
#include "differences.h"

#define BPFREE_FEW 64u   /* elements: at most 512 bytes of work */
#define BPFREE_SPARSE 8u /* d over n: work is at most a quarter of theta */
#define BPFREE_NOWHERE UINT32_MAX

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

/* Not inlined: it would be in flash twice. */
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

/* Are the n elements kept? To find one takes the time of a tenth of a pass of a
 * small network, to ask all d for their P most of a step. Of 2,410 parameters, a
 * sample a step, on a Cortex-M4F, in million instructions: 24 elements 0.8 when
 * kept, 4.9 when not; 301 (d / 8) 9.1 and 13.3; half of them 36.5 and 40.4. */
static __attribute__((noinline)) int bpfree_keeps(const bpfree_trainer *t)
{
  const uint32_t n = t->n_queries, d = t->model->n_theta;
  return n < d && (n <= BPFREE_FEW || n <= d / BPFREE_SPARSE);
}

/* Floats of context->work that they take: each one beside its coefficient. */
static inline uint32_t bpfree_kept_size(const bpfree_trainer *t)
{
  return bpfree_keeps(t) ? 2 * t->n_queries : 0;
}

static inline uint32_t bpfree_n_strata(const bpfree_trainer *t)
{
  return bpfree_cge_of(t).masks ? t->model->n_slices : 1;
}

static inline uint32_t bpfree_found(const bpfree_trainer *t, bpfree_stratum p, uint32_t i)
{
  if (p.count == p.size) return p.first + i;
  return p.first + bpfree_unpermute(BPFREE_DOMAIN_MASK, p.number, t->seed, p.draw, p.size, p.start + i);
}

/* The element of theta that is number `query` of the record of a step; BPFREE_NOWHERE where the block has one less. */
static __attribute__((noinline)) uint32_t bpfree_element(const bpfree_trainer *t, uint32_t step, uint32_t query)
{
  for (uint32_t number = 0; number < bpfree_n_strata(t); number++) {
    const bpfree_stratum p = bpfree_stratum_of(t, number, step);
    if (query < p.count) return bpfree_found(t, p, query);
    query -= p.count;
  }
  return BPFREE_NOWHERE;
}

/* The same, once they are drawn. */
static inline uint32_t bpfree_coordinate(const bpfree_trainer *t, const bpfree_context *c, uint32_t query)
{
  return bpfree_keeps(t) ? ((const bpfree_word *)c->work)[query].u : bpfree_element(t, c->step, query);
}

static __attribute__((noinline)) void bpfree_draw_coordinates(const bpfree_trainer *t, const bpfree_context *c)
{
  for (uint32_t k = 0; bpfree_keeps(t) && k < t->n_queries; k++)
    ((bpfree_word *)c->work)[k].u = bpfree_element(t, c->step, k);
}

/* Pairs (element, coefficient) by ascending element: a Shell sort, which needs no room and little code. */
static inline void bpfree_sort_pairs(bpfree_word *pairs, uint32_t n)
{
  uint32_t gap = 1;
  while (gap < n / 3) gap = 3 * gap + 1;
  for (; gap; gap /= 3)
    for (uint32_t i = gap; i < n; i++) {
      const bpfree_word element = pairs[2 * i], coefficient = pairs[2 * i + 1];
      uint32_t to = i;
      for (; to >= gap && pairs[2 * (to - gap)].u > element.u; to -= gap) {
        pairs[2 * to] = pairs[2 * (to - gap)];
        pairs[2 * to + 1] = pairs[2 * (to - gap) + 1];
      }
      pairs[2 * to] = element;
      pairs[2 * to + 1] = coefficient;
    }
}

/* Sorted pairs in the place of the elements that were drawn. */
static inline const float *bpfree_coordinate_weights(const bpfree_trainer *t, const bpfree_context *c, uint32_t first,
                                                     uint32_t count, const float *coefficients)
{
  (void)first;
  (void)count;
  if (!bpfree_keeps(t)) return coefficients;
  bpfree_word *const pairs = (bpfree_word *)c->work;
  for (uint32_t k = t->n_queries; k-- > 0;) { /* the last one first, as pairs take twice the room */
    pairs[2 * k].u = pairs[k].u;
    pairs[2 * k + 1].f = bpfree_clipped(t, coefficients[k]);
  }
  bpfree_sort_pairs(pairs, t->n_queries);
  return c->work;
}

/* Elements [first, first + n) of the gradient from sorted pairs. */
static inline void bpfree_pairs_gradient(const bpfree_trainer *t, const float *work, uint32_t first, uint32_t n, float *g)
{
  const bpfree_word *const pairs = (const bpfree_word *)work;
  uint32_t low = 0, high = t->n_queries;
  while (low < high) { /* the first pair that is not before them */
    const uint32_t middle = low + (high - low) / 2;
    if (pairs[2 * middle].u < first) low = middle + 1;
    else high = middle;
  }
  for (uint32_t j = 0; j < n && !t->links->update->merges; j++) g[j] = 0.0f;
  for (; low < t->n_queries && pairs[2 * low].u - first < n; low++) g[pairs[2 * low].u - first] = pairs[2 * low + 1].f;
}

static inline void bpfree_coordinate_gradient(const bpfree_trainer *t, uint32_t step, const float *weights,
                                              uint32_t slice, uint32_t block, uint32_t n, float *g)
{
  const uint32_t first = t->model->slices[slice].offset + block * BPFREE_BLOCK, merges = t->links->update->merges;
  if (bpfree_keeps(t)) {
    bpfree_pairs_gradient(t, weights, first, n, g);
    return;
  }
  const bpfree_stratum p = bpfree_stratum_of(t, slice, step);
  const bpfree_mask *masks = bpfree_cge_of(t).masks;
  for (uint32_t before = 0; masks && before < slice; before++) weights += masks[before].count;
  for (uint32_t j = 0; j < n; j++) {
    const uint32_t k = first + j - p.first;
    const uint32_t place = p.count == p.size ? k
                                             : bpfree_permute(BPFREE_DOMAIN_MASK, p.number, t->seed, p.draw, p.size, k);
    const uint32_t i = place - p.start; /* those before start come out huge */
    if (i < p.count) g[j] = bpfree_clipped(t, weights[i]);
    else if (!merges) g[j] = 0.0f;
  }
}

static inline int bpfree_check_coordinates(const bpfree_trainer *t)
{
  const uint32_t d = t->model->n_theta;
  return t->n_queries <= d && d <= 0x80000000u ? BPFREE_OK : BPFREE_ERR_ARG;
}

#endif
