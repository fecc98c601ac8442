/* SPDX-License-Identifier: MIT */
/* The bits of a float and back, without string.h, which a freestanding target
 * need not have. */
#ifndef BPFREE_BITS_H
#define BPFREE_BITS_H

#include <stdint.h>

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
