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
/* Where x is 0, as inputs of a layer often are, theta stays as it is. 0 is added lest the -0 of an underflow turns a
 * theta of -0 into +0. */
static inline __attribute__((always_inline)) void scaled_step(float *theta, float coefficient, float x, float factor,
                                                              float lr)
{
  if (bpfree_bits32(x) << 1) *theta = *theta - factor * (lr * (coefficient * x + 0.0f));
}

/* By fours: a third fewer instructions. */
static void apply_scaled(float *theta, float coefficient, const float *x, float factor, const float *settings,
                         uint32_t n)
{
  const float lr = settings[0];
  for (; n >= 4; n -= 4, theta += 4, x += 4) {
    scaled_step(theta, coefficient, x[0], factor, lr);
    scaled_step(theta + 1, coefficient, x[1], factor, lr);
    scaled_step(theta + 2, coefficient, x[2], factor, lr);
    scaled_step(theta + 3, coefficient, x[3], factor, lr);
  }
  for (; n; n--) scaled_step(theta++, coefficient, *x++, factor, lr);
}
#else
#define apply_scaled 0
#endif

const bpfree_update BPFREE_KERNEL(upd_sgd) = {BPFREE_GRADIENTS ? transform : 0, 0, BPFREE_PROBE_ON_READ ? apply_signs : 0, 0, 0, 0, 0, apply_scaled};
