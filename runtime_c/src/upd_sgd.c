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

const bpfree_update BPFREE_KERNEL(upd_sgd) = {transform, 0, apply_signs, 0, 0, 0, 0};
