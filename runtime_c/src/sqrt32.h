/* SPDX-License-Identifier: MIT */
/* Square root, correctly rounded everywhere: by the FPU where there is one,
 * else bit by bit. Both give the one float nearest to the root. */
#ifndef BPFREE_SQRT32_H
#define BPFREE_SQRT32_H

#include "bits.h"
#include "bpfree/config.h"

/* One bit of the root after the other; x < 0 and NaN give NaN. */
static inline float bpfree_sqrt32_by_bits(float x)
{
  if (!(x > 0.0f)) return x == 0.0f ? x : bpfree_float32(0x7fc00000u);
  uint32_t bits = bpfree_bits32(x);
  if (bits == 0x7f800000u) return x;
  int32_t exponent = (int32_t)(bits >> 23);
  uint32_t fraction = bits & 0x007fffffu;
  if (exponent == 0) { /* subnormal: shift the leading one into place */
    exponent = 1;
    while (!(fraction & 0x00800000u)) {
      fraction <<= 1;
      exponent--;
    }
  }
  fraction |= 0x00800000u;
  exponent -= 127;
  if (exponent & 1) fraction <<= 1; /* the exponent must be even */
  exponent >>= 1;
  /* root of fraction * 2^25: 25 bits, one below the last place to round by */
  uint32_t root = 0, rest = 0;
  for (int32_t bit = 24; bit >= 0; bit--) {
    /* the next two bits of the radicand, which ends in 2 * 13 - 1 zeros */
    const int32_t shift = 2 * bit - 25;
    const uint32_t pair = shift >= 0 ? fraction >> shift & 3u : shift == -1 ? fraction << 1 & 3u : 0u;
    rest = rest << 2 | pair;
    root <<= 1;
    if (rest >= (root << 1 | 1u)) {
      rest -= root << 1 | 1u;
      root |= 1u;
    }
  }
  root = (root >> 1) + (root & 1u); /* never a tie: a root of 24 bits has a square of at most 24 */
  return bpfree_float32(((uint32_t)(exponent + 127) << 23) + (root - 0x00800000u));
}

static inline float bpfree_sqrt32(float x)
{
#if defined(__SSE__) || defined(__aarch64__) || (defined(__ARM_FP) && (__ARM_FP & 4)) || defined(__riscv_flen)
  return __builtin_sqrtf(x); /* one instruction under -fno-math-errno */
#else
  return bpfree_sqrt32_by_bits(x);
#endif
}

#endif
