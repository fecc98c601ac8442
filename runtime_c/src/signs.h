/* SPDX-License-Identifier: MIT */
/* Reads the signs of a direction one after the other: element j of a slice is
 * bit j, most significant first, 1 = minus. Those of a Hadamard direction are
 * the same, times the matrix's row. */
#ifndef BPFREE_SIGNS_H
#define BPFREE_SIGNS_H

#include "bits.h"
#include "bpfree/model.h"
#include "span.h"

typedef struct bpfree_signs {
  uint32_t seed;
  uint32_t step;
  uint32_t address;
  uint32_t block; /* the next */
  uint32_t word;  /* the next sign is its top bit */
  uint32_t left;  /* signs left in word */
  uint32_t other; /* second word of the block, while fresh */
  uint32_t fresh;
  uint32_t row;   /* of the Hadamard matrix; row 0 is all plus */
  uint32_t k;     /* its column for the next block: elements of theta are counted */
} bpfree_signs;

static inline void bpfree_signs_start(bpfree_signs *signs, const struct bpfree_probe *probe,
                                      const bpfree_slice *slice, uint32_t block)
{
  signs->seed = probe->seed;
  signs->step = probe->step;
  signs->address = probe->address;
  signs->block = slice->first_block + block;
  signs->word = 0;
  signs->other = 0;
  signs->left = 0;
  signs->fresh = 0;
  signs->row = BPFREE_HADAMARD_ROWS && probe->direction == BPFREE_HADAMARD ? probe->element : 0;
  signs->k = slice->offset + block * BPFREE_BLOCK;
}

/* The reader of the next block, its first n < BPFREE_BLOCK signs left out. Out of
 * line: only what begins inside a block needs it. */
bpfree_signs bpfree_signs_skip(bpfree_signs signs, uint32_t n);

static inline void bpfree_signs_start_at(bpfree_signs *signs, const struct bpfree_probe *probe,
                                         const bpfree_slice *slice, uint32_t element)
{
  bpfree_signs_start(signs, probe, slice, element / BPFREE_BLOCK);
  if (bpfree_before(element)) *signs = bpfree_signs_skip(*signs, bpfree_before(element));
}

/* Columns k .. k + 31 of a row of the Hadamard matrix, the entry at column c minus
 * where row & c has an odd number of bits. A call, in rng.c: inlined it would
 * cost every reader of signs registers, and most have no row. */
uint32_t bpfree_hadamard_word(uint32_t row, uint32_t k);

static inline void bpfree_signs_refill(bpfree_signs *signs)
{
  if (signs->fresh) {
    signs->word = signs->other;
    signs->fresh = 0;
  } else {
    /* copies, so that the reader itself can live in registers */
    const uint32_t key[2] = {signs->seed, signs->step}, counter[2] = {signs->block, signs->address};
    uint32_t out[2];
    bpfree_threefry(key, counter, out);
    if (BPFREE_HADAMARD_ROWS && signs->row) {
      out[0] ^= bpfree_hadamard_word(signs->row, signs->k);
      out[1] ^= bpfree_hadamard_word(signs->row, signs->k + 32);
      signs->k += 64;
    }
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
