/* SPDX-License-Identifier: MIT */
#include "bpfree/rng.h"
#include "signs.h"
#include "threefry.h"

void bpfree_threefry(const uint32_t key[2], const uint32_t counter[2], uint32_t out[2])
{
  bpfree_threefry_words(key[0], key[1], counter[0], counter[1], &out[0], &out[1]);
}

uint32_t bpfree_address(uint32_t domain, uint32_t query, uint32_t sample)
{
  return domain << 28 | query << 16 | sample;
}

/* Of the permutations; bpfree/rng.py says why so many. */
#define ROUNDS 12u

/* A value below n is its left and its right part. */
typedef struct parts {
  uint32_t right;   /* bits of the right part */
  uint32_t mask[2]; /* of the left part, and of the right: they change places every round */
} parts;

/* Parts of half the bits of n - 1, at least 2; the left one has one more where their
 * number is odd, below 7 both: that few would mix too slowly. */
static parts parts_of(uint32_t n)
{
  uint32_t bits = 2;
  while (bits < 32 && (n - 1u) >> bits) bits++;
  if (bits < 7) bits += bits & 1u;
  const uint32_t one = 1; /* an int may have 16 bits */
  const parts p = {bits / 2, {(one << (bits - bits / 2)) - 1u, (one << bits / 2) - 1u}};
  return p;
}

static uint32_t round_word(const uint32_t key[2], uint32_t address, uint32_t round, uint32_t value)
{
  const uint32_t counter[2] = {round << 16 | value, address};
  uint32_t word[2];
  bpfree_threefry(key, counter, word);
  return word[0];
}

/* The rounds alone make even permutations, half of all orders: a bit of the key
 * says whether 0 and 1 change places behind them. */
static uint32_t turned(const uint32_t key[2], uint32_t address, uint32_t i)
{
  return i < 2 ? i ^ (round_word(key, address, ROUNDS, 0) & 1u) : i;
}

uint32_t bpfree_permute(uint32_t domain, uint32_t part, uint32_t seed, uint32_t step, uint32_t n, uint32_t i)
{
  const uint32_t key[2] = {seed, step}, address = bpfree_address(domain, 0, part);
  const parts p = parts_of(n);
  do { /* walk the cycle back into [0, n) */
    uint32_t left = i >> p.right, right = i & p.mask[1];
    for (uint32_t round = 0; round < ROUNDS; round++) {
      const uint32_t next = left ^ (round_word(key, address, round, right) & p.mask[round & 1u]);
      left = right;
      right = next;
    }
    i = turned(key, address, left << p.right | right);
  } while (i >= n);
  return i;
}

uint32_t bpfree_unpermute(uint32_t domain, uint32_t part, uint32_t seed, uint32_t step, uint32_t n, uint32_t i)
{
  const uint32_t key[2] = {seed, step}, address = bpfree_address(domain, 0, part);
  const parts p = parts_of(n);
  do { /* the rounds backwards, the cycle the other way round */
    i = turned(key, address, i);
    uint32_t left = i >> p.right, right = i & p.mask[1];
    for (uint32_t round = ROUNDS; round-- > 0;) {
      const uint32_t before = right ^ (round_word(key, address, round, left) & p.mask[round & 1u]);
      right = left;
      left = before;
    }
    i = left << p.right | right;
  } while (i >= n);
  return i;
}

uint32_t bpfree_shuffle(uint32_t seed, uint32_t epoch, uint32_t n, uint32_t i)
{
  return bpfree_permute(BPFREE_DOMAIN_SHUFFLE, 0, seed, epoch, n, i);
}

uint32_t bpfree_batch_index(uint32_t seed, uint32_t step, uint32_t batch, uint32_t n, uint32_t i)
{
  const uint32_t per_epoch = n / batch;
  return bpfree_shuffle(seed, step / per_epoch, n, step % per_epoch * batch + i);
}

bpfree_signs bpfree_signs_skip(bpfree_signs signs, uint32_t n)
{
  bpfree_signs_refill(&signs);
  if (n >= 32) bpfree_signs_refill(&signs);
  signs.word <<= n % 32;
  signs.left -= n % 32;
  return signs;
}

/* All bits set where x has an odd number of them. */
static uint32_t if_odd(uint32_t x)
{
  x ^= x >> 16;
  x ^= x >> 8;
  x ^= x >> 4;
  return 0u - (0x6996u >> (x & 15u) & 1u);
}

/* Within 32 columns that start at a multiple of 32 the row's lower five bits make
 * the pattern, the others its sign. */
uint32_t bpfree_hadamard_word(uint32_t row, uint32_t k)
{
  uint32_t pattern = 0;
  if (row & 1u) pattern ^= 0x55555555u;
  if (row & 2u) pattern ^= 0x33333333u;
  if (row & 4u) pattern ^= 0x0f0f0f0fu;
  if (row & 8u) pattern ^= 0x00ff00ffu;
  if (row & 16u) pattern ^= 0x0000ffffu;
  const uint32_t past = k & 31u, first = pattern ^ if_odd(row & (k - past));
  if (past == 0) return first;
  return first << past | (pattern ^ if_odd(row & (k - past + 32u))) >> (32u - past);
}
