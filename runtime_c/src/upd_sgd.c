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

/* theta - fl(step u). GCC makes two instructions of this choice where an FPU adds, and three of a sign that is put into
 * step; clang jumps. */
static inline float moved(float theta, float step, uint32_t word)
{
#if BPFREE_LANES == 1 && defined(__ARM_FP) && !defined(__clang__)
  return word & 0x80000000u ? theta + step : theta - step;
#else
  return theta - bpfree_signed(step, word);
#endif
}

/* fl(lr (c u)) = fl(lr c) u: two multiplies a word, then additions only. */
static void apply_signs(float *theta, float coefficient, uint32_t word, float factor, const float *settings,
                        uint32_t n)
{
  const float step = factor * (settings[0] * coefficient);
  for (const float *const end = theta + n / BPFREE_UNROLL * BPFREE_UNROLL; theta != end; word <<= BPFREE_UNROLL) {
    BPFREE_UNROLLED for (uint32_t k = 0; k < BPFREE_UNROLL; k++) theta[k] = moved(theta[k], step, word << k);
    theta += BPFREE_UNROLL;
  }
  for (n %= BPFREE_UNROLL; n; n--, word <<= 1, theta++) *theta = moved(*theta, step, word);
}

#if BPFREE_RECORD_FACTORS
/* Where x is 0, as inputs of a layer often are, theta stays as it is. 0 is added lest the -0 of an underflow turns a
 * theta of -0 into +0. */
static inline __attribute__((always_inline)) void scaled_step(float *theta, float coefficient, float x, float factor,
                                                              float lr)
{
  if (bpfree_bits32(x) << 1) *theta = *theta - factor * (lr * (coefficient * x + 0.0f));
}

static void apply_scaled(float *theta, float coefficient, const float *x, float factor, const float *settings,
                         uint32_t n)
{
  const float lr = settings[0];
  for (; n >= BPFREE_UNROLL; n -= BPFREE_UNROLL, theta += BPFREE_UNROLL, x += BPFREE_UNROLL)
    BPFREE_UNROLLED for (uint32_t k = 0; k < BPFREE_UNROLL; k++) scaled_step(theta + k, coefficient, x[k], factor, lr);
  for (; n; n--) scaled_step(theta++, coefficient, *x++, factor, lr);
}
#endif

const bpfree_update BPFREE_KERNEL(upd_sgd) = {
    .transform = BPFREE_GRADIENTS ? transform : 0,
    .apply_signs = BPFREE_PROBE_ON_READ ? apply_signs : 0,
#if BPFREE_RECORD_FACTORS
    .apply_scaled = apply_scaled,
#endif
};
