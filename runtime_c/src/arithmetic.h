/* SPDX-License-Identifier: MIT */
/* Do sums come out as on other machines? Inline, as train.c asks once: a call costs 28 bytes more. */
#ifndef BPFREE_ARITHMETIC_H
#define BPFREE_ARITHMETIC_H

#include "bits.h"
#include "bpfree/config.h"

/*
 * h = 2^-13 (1 + 2^-23), volatile so that no compiler knows the answer. Where each operation rounds to nearest,
 *   none = (1 - h) (1 + h) - 1 = (1 - 2^-13) (1 + 2^-13) - 1 = (1 - 2^-26) - 1 = 0, as 1 - 2^-26 rounds to 1.
 *          Fused it is -2^-26. Where sums are rounded down or to 0, 1 - h is less, upwards 1 + h is more.
 *   half = (h + 0) 2^-114 = 2^-127, the even one of the two subnormal numbers that h 2^-114 lies between;
 *   half + half = 2^-126. It is 0 where subnormal results become 0, or operands do, and h 2^-113 where products are
 *          reordered.
 */
static inline int bpfree_strict(void)
{
  volatile float hidden = 0x1.000002p-13f;
  const float h = hidden, none = (1.0f - h) * (1.0f + h) - 1.0f;
  const float half = (h + none) * 0x1p-114f;
  return bpfree_bits32(half + half) == 0x00800000u; /* bits, as a comparison may take subnormal numbers for 0 */
}

#endif
