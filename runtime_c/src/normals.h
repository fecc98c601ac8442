/* SPDX-License-Identifier: MIT */
/* Normal numbers with an address: elements 2 j and 2 j + 1 of a slice are one
 * pair (Box and Muller, Ann. Math. Stat. 29, 1958) of random block
 * 32 first_block + j. Twin of bpfree/directions/gaussian.py, sphere.py. */
#ifndef BPFREE_NORMALS_H
#define BPFREE_NORMALS_H

#include "bpfree/model.h"
#include "math32.h"
#include "span.h"
#include "sqrt32.h"
#include "threefry.h"

#define BPFREE_PAIRS (BPFREE_BLOCK / 2u) /* of a chunk of BPFREE_BLOCK elements */

/* n <= 64 normal numbers, of the chunk that belongs to this block of signs, in
 * two loops that vectorise; g has room for 64. The largest number is 5.77. */
static inline void bpfree_normals(const struct bpfree_probe *probe, uint32_t block, uint32_t n, float g[BPFREE_BLOCK])
{
  uint32_t first[BPFREE_PAIRS], second[BPFREE_PAIRS];
  const uint32_t pairs = (n + 1) / 2;
  for (uint32_t j = 0; j < pairs; j++)
    bpfree_threefry_words(probe->seed, probe->step, block * BPFREE_PAIRS + j, probe->address, &first[j], &second[j]);
  for (uint32_t j = 0; j < pairs; j++) { /* as signed: there is no vector instruction for the others */
    const float share = (float)(int32_t)((first[j] >> 8) + 1u) * 0x1p-24f;   /* (0, 1] */
    const float angle = (float)(int32_t)(second[j] >> 8) * 0x1.921fb6p-22f; /* 2 pi 2^-24 */
    const float radius = bpfree_sqrt32(-2.0f * bpfree_log32(share));
    g[2 * j] = radius * bpfree_cos32(angle);
    g[2 * j + 1] = radius * bpfree_sin32(angle);
  }
}

/* Draws g on the elements of one slice that the probe moves, to out, if it is not
 * NULL. Returns total + the squares, summed chunk by chunk. */
static inline float bpfree_draw_slice(const bpfree_slice *slice, const struct bpfree_probe *probe, float *out,
                                      float total)
{
  const bpfree_span moved = bpfree_span_of(slice, probe->first, probe->count);
  uint32_t before = bpfree_before(moved.from);
  for (uint32_t done = moved.from - before; done < moved.to; done += BPFREE_BLOCK, before = 0) {
    const uint32_t n = moved.to - done < BPFREE_BLOCK ? moved.to - done : BPFREE_BLOCK;
    float g[BPFREE_BLOCK], chunk = 0.0f;
    bpfree_normals(probe, slice->first_block + done / BPFREE_BLOCK, n, g);
    for (uint32_t j = before; j < n; j++) chunk += g[j] * g[j];
    for (uint32_t j = before; out && j < n; j++) out[done + j] = g[j];
    total += chunk;
  }
  return total;
}

/* Draws a BPFREE_GAUSSIAN or BPFREE_SPHERE probe on the elements that it moves to
 * out (n_theta), others left alone; NULL: nowhere. Returns what that is to
 * be scaled by: sqrt(elements / sum of squares) for the sphere, else 1. */
static inline float bpfree_draw(const bpfree_model *model, const struct bpfree_probe *probe, float *out)
{
  const int sphere = probe->direction == BPFREE_SPHERE;
  if (!sphere && !out) return 1.0f;
  float total = 0.0f;
  for (uint32_t k = 0; k < model->n_slices; k++) {
    const bpfree_slice *slice = &model->slices[k];
    total = bpfree_draw_slice(slice, probe, out && !slice->frozen ? out + slice->offset : 0, total);
  }
  if (!sphere) return 1.0f;
  return total > 0.0f ? bpfree_sqrt32((float)probe->count / total) : 0.0f; /* one or two elements may all be 0 */
}

#endif
