/* SPDX-License-Identifier: MIT */
/* Reads the signs of a direction one after the other: element j of a slice is
 * bit j, most significant first, 1 = minus. */
#ifndef BPFREE_SIGNS_H
#define BPFREE_SIGNS_H

#include "bits.h"
#include "bpfree/model.h"

typedef struct bpfree_signs {
  uint32_t seed;
  uint32_t step;
  uint32_t stream;
  uint32_t block; /* the next */
  uint32_t word;  /* the next sign is its top bit */
  uint32_t left;  /* signs left in word */
  uint32_t other; /* second word of the block, while fresh */
  uint32_t fresh;
} bpfree_signs;

static inline void bpfree_signs_start(bpfree_signs *signs, const bpfree_probe *probe, uint32_t first_block)
{
  signs->seed = probe->seed;
  signs->step = probe->step;
  signs->stream = probe->stream;
  signs->block = first_block;
  signs->word = 0;
  signs->other = 0;
  signs->left = 0;
  signs->fresh = 0;
}

static inline void bpfree_signs_refill(bpfree_signs *signs)
{
  if (signs->fresh) {
    signs->word = signs->other;
    signs->fresh = 0;
  } else {
    /* copies, so that the reader itself can live in registers */
    const uint32_t key[2] = {signs->seed, signs->step}, counter[2] = {signs->block, signs->stream};
    uint32_t out[2];
    bpfree_threefry(key, counter, out);
    signs->block++;
    signs->word = out[0];
    signs->other = out[1];
    signs->fresh = 1;
  }
  signs->left = 32;
}

/* mu with its sign flipped where the top bit of word is set: fl(mu u), exact. */
static inline float bpfree_signed(float mu, uint32_t word)
{
  return bpfree_float32(bpfree_bits32(mu) ^ (word & 0x80000000u));
}

static inline float bpfree_signs_next(bpfree_signs *signs, float mu)
{
  if (signs->left == 0) bpfree_signs_refill(signs);
  const float step = bpfree_signed(mu, signs->word);
  signs->word <<= 1;
  signs->left--;
  return step;
}

#endif
