/* SPDX-License-Identifier: MIT */
#include "vector.h"
#include "bits.h"

void bpfree_axpy(float *restrict y, float a, const float *restrict x, uint32_t n)
{
  const float *const end = x + n, *const whole = end - n % BPFREE_UNROLL;
  for (; x != whole; x += BPFREE_UNROLL, y += BPFREE_UNROLL)
    BPFREE_UNROLLED for (uint32_t k = 0; k < BPFREE_UNROLL; k++) y[k] += a * x[k];
  for (; x != end; x++, y++) *y += a * *x;
}

void bpfree_scale(float *y, float a, const float *x, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) y[k] = a * x[k];
}
