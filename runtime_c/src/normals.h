/* SPDX-License-Identifier: MIT */
/* Normal numbers with an address: elements 2 j and 2 j + 1 of a slice are one
 * pair (Box and Muller, Ann. Math. Stat. 29, 1958) of random block
 * 32 first_block + j. Twin of bpfree/directions/gaussian.py, sphere.py. */
#ifndef BPFREE_NORMALS_H
#define BPFREE_NORMALS_H

#include "bpfree/model.h"
#include "math32.h"
#include "sqrt32.h"

#define BPFREE_PAIRS (BPFREE_BLOCK / 2u) /* of a chunk of BPFREE_BLOCK elements */

typedef struct bpfree_pair {
  float even, odd;
} bpfree_pair;

/* The pair made of a block's words; the largest number is 5.77. */
static inline bpfree_pair bpfree_box_muller(uint32_t first, uint32_t second)
{
  const float share = (float)((first >> 8) + 1u) * 0x1p-24f;   /* (0, 1] */
  const float angle = (float)(second >> 8) * 0x1.921fb6p-22f; /* 2 pi 2^-24 */
  const float radius = bpfree_sqrt32(-2.0f * bpfree_log32(share));
  const bpfree_pair pair = {radius * bpfree_cos32(angle), radius * bpfree_sin32(angle)};
  return pair;
}

static inline bpfree_pair bpfree_normals(const bpfree_probe *probe, uint32_t block)
{
  const uint32_t key[2] = {probe->seed, probe->step}, counter[2] = {block, probe->stream};
  uint32_t words[2];
  bpfree_threefry(key, counter, words);
  return bpfree_box_muller(words[0], words[1]);
}

/* Draws g on one slice to out, if it is not NULL. Returns total + the squares,
 * summed chunk by chunk. */
static inline float bpfree_draw_slice(const bpfree_slice *slice, const bpfree_probe *probe, float *out, float total)
{
  for (uint32_t first = 0; first < slice->size; first += BPFREE_BLOCK) {
    const uint32_t stop = slice->size - first < BPFREE_BLOCK ? slice->size : first + BPFREE_BLOCK;
    float chunk = 0.0f;
    for (uint32_t j = first; j < stop; j += 2) {
      const bpfree_pair pair = bpfree_normals(probe, slice->first_block * BPFREE_PAIRS + j / 2);
      const int whole = j + 1 < stop;
      chunk += pair.even * pair.even;
      if (whole) chunk += pair.odd * pair.odd;
      if (out) out[j] = pair.even;
      if (out && whole) out[j + 1] = pair.odd;
    }
    total += chunk;
  }
  return total;
}

/* Draws a BPFREE_GAUSSIAN or BPFREE_SPHERE probe on its trainable slices to
 * out (n_theta), other elements left alone; NULL: nowhere. Returns what that is to
 * be scaled by: sqrt(elements / sum of squares) for the sphere, else 1. */
static inline float bpfree_draw(const bpfree_model *model, const bpfree_probe *probe, float *out)
{
  const int sphere = probe->direction == BPFREE_SPHERE;
  if (!sphere && !out) return 1.0f;
  float total = 0.0f;
  uint32_t elements = 0;
  for (uint32_t k = probe->first_slice; k < probe->first_slice + probe->n_slices; k++) {
    const bpfree_slice *slice = &model->slices[k];
    if (slice->frozen) continue;
    total = bpfree_draw_slice(slice, probe, out ? out + slice->offset : out, total);
    elements += slice->size;
  }
  if (!sphere) return 1.0f;
  return total > 0.0f ? bpfree_sqrt32((float)elements / total) : 0.0f; /* one or two elements may all be 0 */
}

#endif
