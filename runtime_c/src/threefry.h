/* SPDX-License-Identifier: MIT */
/* Threefry2x32-20 in line, for loops over blocks that are to vectorise. */
#ifndef BPFREE_THREEFRY_H
#define BPFREE_THREEFRY_H

#include <stdint.h>

#define ROTATE(x, r) (((x) << (r)) | ((x) >> (32 - (r))))
#define ROUND(r) (x0 += x1, x1 = ROTATE(x1, r), x1 ^= x0)
/* Four rounds, then the key schedule's next two words and the counter. */
#define ROUNDS_A ROUND(13), ROUND(15), ROUND(26), ROUND(6)
#define ROUNDS_B ROUND(17), ROUND(29), ROUND(16), ROUND(24)
#define INJECT(ka, kb, i) (x0 += (ka), x1 += (kb) + (i))

static inline void bpfree_threefry_words(uint32_t k0, uint32_t k1, uint32_t c0, uint32_t c1, uint32_t *first,
                                         uint32_t *second)
{
  const uint32_t k2 = 0x1BD11BDAu ^ k0 ^ k1;
  uint32_t x0 = c0 + k0, x1 = c1 + k1;
  ROUNDS_A, INJECT(k1, k2, 1u);
  ROUNDS_B, INJECT(k2, k0, 2u);
  ROUNDS_A, INJECT(k0, k1, 3u);
  ROUNDS_B, INJECT(k1, k2, 4u);
  ROUNDS_A, INJECT(k2, k0, 5u);
  *first = x0;
  *second = x1;
}

#undef ROTATE
#undef ROUND
#undef ROUNDS_A
#undef ROUNDS_B
#undef INJECT

#endif
