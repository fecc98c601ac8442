/* SPDX-License-Identifier: MIT */
/*
 * The memory functions that compilers call without being asked, for programs without a C library.
 *
 * Weak: a library's faster version wins where there is one. Used: with -flto the compiler drops what nobody calls
 * before it makes up calls of its own.
 */
#include <stddef.h>
#include <stdint.h>

#define MEMORY __attribute__((weak, used))

/* An empty statement the optimiser cannot see through: it keeps gcc and clang from recognising a copy loop
 * and turning it into a call of the very function it is in. It costs no instruction. */
#define KEEP_LOOP() __asm__ volatile("" ::: "memory")

typedef uint32_t __attribute__((may_alias)) word;

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);

MEMORY void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  unsigned char *d = to;
  const unsigned char *s = from;
  if ((((uintptr_t)d | (uintptr_t)s) & 3u) == 0u) {
    for (; n >= 4u; n -= 4u, d += 4, s += 4) {
      *(word *)(void *)d = *(const word *)(const void *)s;
      KEEP_LOOP();
    }
  }
  for (; n != 0u; n--) {
    *d++ = *s++;
    KEEP_LOOP();
  }
  return to;
}

MEMORY void *memmove(void *to, const void *from, size_t n) {
  unsigned char *d = to;
  const unsigned char *s = from;
  if ((uintptr_t)d < (uintptr_t)s) {
    for (; n != 0u; n--) {
      *d++ = *s++;
      KEEP_LOOP();
    }
  } else {
    for (; n != 0u; n--) { /* backwards, as the ranges may overlap */
      d[n - 1u] = s[n - 1u];
      KEEP_LOOP();
    }
  }
  return to;
}

MEMORY void *memset(void *to, int value, size_t n) {
  unsigned char *d = to;
  const uint32_t byte = (uint32_t)value & 0xFFu;
  if (((uintptr_t)d & 3u) == 0u) {
    for (; n >= 4u; n -= 4u, d += 4) {
      *(word *)(void *)d = byte * 0x01010101u;
      KEEP_LOOP();
    }
  }
  for (; n != 0u; n--) {
    *d++ = (unsigned char)byte;
    KEEP_LOOP();
  }
  return to;
}

#ifdef __ARM_EABI__
/* What clang calls instead on Arm, by the rules of its run-time ABI: aligned variants, and other orders of arguments. */
void __aeabi_memset(void *to, size_t n, int value);
void __aeabi_memclr(void *to, size_t n);

#define ALIAS(name, of) MEMORY __attribute__((alias(#of))) __typeof__(of) name
#define ALIASES(name, of) extern ALIAS(name##4, of); extern ALIAS(name##8, of)

extern ALIAS(__aeabi_memcpy, memcpy);
extern ALIAS(__aeabi_memmove, memmove);
ALIASES(__aeabi_memcpy, memcpy);
ALIASES(__aeabi_memmove, memmove);

MEMORY void __aeabi_memset(void *to, size_t n, int value) { memset(to, value, n); }
ALIASES(__aeabi_memset, __aeabi_memset);
MEMORY void __aeabi_memclr(void *to, size_t n) { memset(to, 0, n); }
ALIASES(__aeabi_memclr, __aeabi_memclr);
#endif
