/* SPDX-License-Identifier: MIT */
#include "bpfree/host.h"

/* Asked of sums and products themselves, which every processor has; volatile, so that no compiler knows the answer. */
int bpfree_check_arithmetic(void)
{
  volatile float one = 1.0f, little = 0x1p-30f, smallest = 0x1p-126f, half = 0.5f, subnormal = 0x1p-140f, big = 0x1p20f;
  const int nearest = one + little == one && one - little == one; /* up: the sum is more; down, to 0: the other less */
  volatile float flushed = smallest * half, ignored = subnormal * big;
  union {
    float value;
    uint32_t bits;
  } result = {flushed}; /* bits, as a comparison takes subnormal numbers for 0 where the processor ignores them */
  return nearest && result.bits == 0x00400000u && ignored == 0x1p-120f ? BPFREE_OK : BPFREE_ERR_ARITHMETIC;
}
