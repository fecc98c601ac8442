/* SPDX-License-Identifier: MIT */
#include "vector.h"
#include "bits.h"

void bpfree_axpy(float *restrict y, float a, const float *restrict x, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) y[k] += a * x[k];
}

void bpfree_scale(float *y, float a, const float *x, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) y[k] = a * x[k];
}
