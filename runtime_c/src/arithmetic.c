/* SPDX-License-Identifier: MIT */
#include "bpfree/host.h"

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

int bpfree_check_arithmetic(void)
{
#if defined(__SSE__)
  const uint32_t flushes = _mm_getcsr() & 0x8040u; /* FTZ, DAZ */
#elif defined(__aarch64__)
  uint64_t fpcr;
  __asm__("mrs %0, fpcr" : "=r"(fpcr));
  const uint32_t flushes = (uint32_t)(fpcr >> 24) & 1u;
#else
  const uint32_t flushes = 0;
#endif
  return flushes ? BPFREE_ERR_NUMERIC : BPFREE_OK;
}
