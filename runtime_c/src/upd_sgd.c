/* SPDX-License-Identifier: MIT */
/* g <- fl(lr g). Settings {lr}, no state. */
#include "kernel.h"
#include "signs.h"

static void transform(float *g, const float *theta, float *const *state, const float *scalars, const float *settings,
                      uint32_t n)
{
  const float lr = settings[0];
  (void)theta;
  (void)state;
  (void)scalars;
  for (uint32_t k = 0; k < n; k++) g[k] = lr * g[k];
}

/* fl(lr (c u)) = fl(lr c) u: two multiplies a word, then additions only. */
static void apply_signs(float *theta, float coefficient, uint32_t word, float factor, const float *settings,
                        uint32_t n)
{
  const float step = factor * (settings[0] * coefficient);
  if (n == 32) /* known length: unrolled without a rest */
    BPFREE_UNROLL_8 for (uint32_t k = 0; k < 32; k++, word <<= 1) theta[k] = theta[k] - bpfree_signed(step, word);
  else
    for (uint32_t k = 0; k < n; k++, word <<= 1) theta[k] = theta[k] - bpfree_signed(step, word);
}

#if BPFREE_RECORD_FACTORS
/* Where g is 0 theta stays as it is, and inputs of a layer often are. */
static void apply_scaled(float *theta, float coefficient, const float *x, float factor, const float *settings,
                         uint32_t n)
{
  const float lr = settings[0];
  for (uint32_t k = 0; k < n; k++) {
    const float g = coefficient * x[k];
    if (g != 0.0f) theta[k] = theta[k] - factor * (lr * g);
  }
}
#else
#define apply_scaled 0
#endif

const bpfree_update BPFREE_KERNEL(upd_sgd) = {transform, 0, apply_signs, 0, 0, 0, 0, apply_scaled};
