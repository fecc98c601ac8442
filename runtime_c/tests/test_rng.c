/* SPDX-License-Identifier: MIT */
/* Random numbers: published vectors, the counter's layout, permutations. */
#include "bpfree/rng.h"
#include "check.h"

/* Random123, tests/kat_vectors, "threefry2x32 20": counter, key, result. */
static void known_answers(void)
{
  static const uint32_t rows[][6] = {
      {0x00000000u, 0x00000000u, 0x00000000u, 0x00000000u, 0x6b200159u, 0x99ba4efeu},
      {0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0x1cb996fcu, 0xbb002be7u},
      {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xc4923a9cu, 0x483df7a0u},
  };
  for (uint32_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
    uint32_t out[2];
    bpfree_threefry(&rows[k][2], &rows[k][0], out);
    CHECK_EQUAL(out[0], rows[k][4]);
    CHECK_EQUAL(out[1], rows[k][5]);
  }
}

static void streams(void)
{
  CHECK_EQUAL(bpfree_address(0, 0, 0), 0);
  CHECK_EQUAL(bpfree_address(BPFREE_DOMAIN_PROBE, 2, 3), 0x10020003);
  CHECK_EQUAL(bpfree_address(15, 4095, 65535), 0xffffffff);
}

#define MOST 1500

/* Every position comes once, in an order that depends on seed and epoch. */
static void shuffle_permutes(uint32_t n)
{
  uint32_t moved = 0;
  for (uint32_t epoch = 0; epoch < 3; epoch++) {
    uint8_t seen[MOST] = {0};
    for (uint32_t i = 0; i < n; i++) {
      const uint32_t position = bpfree_shuffle(1, epoch, n, i);
      CHECK(position < n);
      if (position < n) CHECK_EQUAL(seen[position]++, 0);
      moved += position != bpfree_shuffle(1, epoch + 1, n, i);
      moved += position != bpfree_shuffle(2, epoch, n, i);
    }
  }
  CHECK(n < 10 || moved > n);
}

/* The inverse is one, each domain has its own, and shuffling is one of them. */
static void permutations_invert(uint32_t n)
{
  uint32_t differ = 0;
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t place = bpfree_permute(BPFREE_DOMAIN_MASK, 0, 5, 6, n, i);
    CHECK(place < n);
    CHECK_EQUAL(bpfree_unpermute(BPFREE_DOMAIN_MASK, 0, 5, 6, n, place), i);
    CHECK_EQUAL(bpfree_permute(BPFREE_DOMAIN_SHUFFLE, 0, 5, 6, n, i), bpfree_shuffle(5, 6, n, i));
    differ += place != bpfree_shuffle(5, 6, n, i);
  }
  CHECK(n < 10 || differ > n / 2);
}

/* n / batch full minibatches an epoch; within one, no item comes twice. */
static void minibatches(uint32_t n, uint32_t batch)
{
  const uint32_t per_epoch = n / batch;
  for (uint32_t epoch = 0; epoch < 3; epoch++) {
    uint8_t seen[MOST] = {0};
    for (uint32_t k = 0; k < per_epoch * batch; k++) {
      const uint32_t step = epoch * per_epoch + k / batch;
      const uint32_t index = bpfree_batch_index(7, step, batch, n, k % batch);
      CHECK_EQUAL(index, bpfree_shuffle(7, epoch, n, k));
      if (index < n) CHECK_EQUAL(seen[index]++, 0);
    }
  }
}

static void largest(void)
{
  for (uint32_t i = 0; i < 64; i++) {
    CHECK(bpfree_shuffle(3, 0, 0x80000000u, i << 25) < 0x80000000u);
    CHECK(bpfree_shuffle(3, 0, 0x40000001u, i << 24) < 0x40000001u);
    CHECK_EQUAL(bpfree_unpermute(5, 65535, 3, 0, 0x80000000u, bpfree_permute(5, 65535, 3, 0, 0x80000000u, i << 25)), i << 25);
  }
}

int main(void)
{
  static const uint32_t sizes[] = {1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 1000, MOST};
  known_answers();
  streams();
  for (uint32_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
    shuffle_permutes(sizes[k]);
    permutations_invert(sizes[k]);
  }
  minibatches(10, 3);
  minibatches(10, 10);
  minibatches(257, 1);
  largest();
  return CHECK_RESULT();
}
