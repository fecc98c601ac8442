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

/* The one instruction of this processor, written out: unless a compiler is told that nobody reads errno, its own
 * square root calls that of libm for negative numbers. Where it is told it knows the instruction better. */
#if defined(__NO_MATH_ERRNO__)
#define BPFREE_SQRT(to, x) to = __builtin_sqrtf(x)
#elif defined(__AVX__)
#define BPFREE_SQRT(to, x) __asm__("vsqrtss %1, %1, %0" : "=x"(to) : "x"(x))
#elif defined(__SSE__)
#define BPFREE_SQRT(to, x) __asm__("sqrtss %1, %0" : "=x"(to) : "x"(x))
#elif defined(__aarch64__)
#define BPFREE_SQRT(to, x) __asm__("fsqrt %s0, %s1" : "=w"(to) : "w"(x))
#elif defined(__ARM_FP)
#define BPFREE_SQRT(to, x) __asm__("vsqrt.f32 %0, %1" : "=t"(to) : "t"(x))
#else
#define BPFREE_SQRT(to, x) __asm__("fsqrt.s %0, %1" : "=f"(to) : "f"(x))
#endif

static inline float bpfree_sqrt32(float x)
{
#if defined(__SSE__) || defined(__aarch64__) || (defined(__ARM_FP) && (__ARM_FP & 4)) || defined(__riscv_fsqrt)
  float root;
  BPFREE_SQRT(root, x);
  return root;
#else
  return bpfree_sqrt32_by_bits(x);
#endif
}

#endif
