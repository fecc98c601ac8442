/* SPDX-License-Identifier: MIT */
/* Reads the signs of a direction one after the other: element j of a slice is
 * bit j, most significant first, 1 = minus. Those of a Hadamard direction are
 * the same, times the matrix's row. */
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
  uint32_t row;   /* of the Hadamard matrix; row 0 is all plus */
  uint32_t k;     /* its column for the next word: elements of theta are counted */
} bpfree_signs;

static inline void bpfree_signs_start(bpfree_signs *signs, const bpfree_probe *probe,
                                      const bpfree_slice *slice, uint32_t block)
{
  signs->seed = probe->seed;
  signs->step = probe->step;
  signs->stream = probe->stream;
  signs->block = slice->first_block + block;
  signs->word = 0;
  signs->other = 0;
  signs->left = 0;
  signs->fresh = 0;
  signs->row = probe->direction == BPFREE_HADAMARD ? probe->element : 0;
  signs->k = slice->offset + block * BPFREE_BLOCK;
}

/* All bits set where x has an odd number of them. */
static inline uint32_t bpfree_if_odd(uint32_t x)
{
  x ^= x >> 16;
  x ^= x >> 8;
  x ^= x >> 4;
  return 0u - (0x6996u >> (x & 15u) & 1u);
}

/* Columns k .. k + 31 of a row of the Hadamard matrix, the entry at column c
 * minus where row & c has an odd number of bits: within 32 columns that start at
 * a multiple of 32 the lower five bits make the pattern, the others its sign. */
static inline uint32_t bpfree_hadamard_word(uint32_t row, uint32_t k)
{
  uint32_t pattern = 0;
  if (row & 1u) pattern ^= 0x55555555u;
  if (row & 2u) pattern ^= 0x33333333u;
  if (row & 4u) pattern ^= 0x0f0f0f0fu;
  if (row & 8u) pattern ^= 0x00ff00ffu;
  if (row & 16u) pattern ^= 0x0000ffffu;
  const uint32_t past = k & 31u, first = pattern ^ bpfree_if_odd(row & (k - past));
  if (past == 0) return first;
  return first << past | (pattern ^ bpfree_if_odd(row & (k - past + 32u))) >> (32u - past);
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
  if (signs->row) {
    signs->word ^= bpfree_hadamard_word(signs->row, signs->k);
    signs->k += 32;
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
