/* SPDX-License-Identifier: MIT */
/* The whole test framework: a failed check prints file, line, what was got and
 * what was wanted; a program that failed any returns 1. Silence is success. */
#ifndef BPFREE_CHECK_H
#define BPFREE_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int check_failures;

static inline void check_equal(const char *file, int line, const char *what, long long got, long long want)
{
  if (got == want) return;
  check_failures++;
  printf("%s:%d: %s: got %lld (0x%llx), want %lld (0x%llx)\n", file, line, what, got, (unsigned long long)got, want,
         (unsigned long long)want);
}

static inline uint32_t check_bits(float value)
{
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* Floats by their bits: -0 is not 0, and a NaN equals itself. */
static inline void check_floats(const char *file, int line, const char *what, const float *got, const float *want,
                                uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) {
    if (check_bits(got[k]) == check_bits(want[k])) continue;
    check_failures++;
    printf("%s:%d: %s[%u]: got %a, want %a\n", file, line, what, (unsigned)k, (double)got[k], (double)want[k]);
    return;
  }
}

#define CHECK(condition) check_equal(__FILE__, __LINE__, #condition, (condition) != 0, 1)
#define CHECK_EQUAL(got, want) check_equal(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
#define CHECK_FLOATS(got, want, n) check_floats(__FILE__, __LINE__, #got, got, want, n)
#define CHECK_RESULT() (check_failures ? 1 : 0)

#endif
