/* SPDX-License-Identifier: MIT */
/* v <- fl(fl(beta v) + g), g <- fl(lr v). Settings {lr, beta}, one vector. */
#include "kernel.h"

static void transform(float *g, const float *theta, float *const *state, const float *scalars, const float *settings,
                      uint32_t n)
{
  const float lr = settings[0], beta = settings[1];
  float *const v = state[0];
  (void)theta;
  (void)scalars;
  for (uint32_t k = 0; k < n; k++) {
    v[k] = beta * v[k] + g[k];
    g[k] = lr * v[k];
  }
}

const bpfree_update BPFREE_KERNEL(upd_momentum) = {transform, 0, 0, 1, 0, 0, 0, 0};
