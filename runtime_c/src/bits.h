/* SPDX-License-Identifier: MIT */
/* The bits of a float and back, without string.h, which a freestanding target
 * need not have. */
#ifndef BPFREE_BITS_H
#define BPFREE_BITS_H

#include <stdint.h>
#include "bpfree/config.h"

/* In front of a loop over BPFREE_UNROLL elements, and of one over any number of them that copies or fills. */
#if BPFREE_UNROLL == 1
#define BPFREE_UNROLLED
#define BPFREE_UNROLL_8
#elif defined(__clang__)
#define BPFREE_UNROLLED _Pragma("clang loop unroll(full)")
#define BPFREE_UNROLL_8 _Pragma("clang loop unroll_count(8)")
#elif defined(__GNUC__)
#define BPFREE_UNROLLED _Pragma("GCC unroll 8")
#define BPFREE_UNROLL_8 _Pragma("GCC unroll 8")
#else
#define BPFREE_UNROLLED
#define BPFREE_UNROLL_8
#endif

typedef union bpfree_word {
  float f;
  uint32_t u;
} bpfree_word;

static inline uint32_t bpfree_bits32(float x)
{
  const bpfree_word word = {.f = x};
  return word.u;
}

static inline float bpfree_float32(uint32_t u)
{
  const bpfree_word word = {.u = u};
  return word.f;
}

#endif
