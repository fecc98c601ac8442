/* SPDX-License-Identifier: MIT */
/* g <- fl(fl(lr g) / fl(1 + |g|)). Settings {lr}, no state. */
#include "kernel.h"

static void transform(float *g, const float *theta, float *const *state, const float *scalars, const float *settings,
                      uint32_t n)
{
  const float lr = settings[0];
  (void)theta;
  (void)state;
  (void)scalars;
  for (uint32_t k = 0; k < n; k++) g[k] = (lr * g[k]) / (1.0f + (g[k] < 0.0f ? -g[k] : g[k]));
}

const bpfree_update BPFREE_KERNEL(upd_soft_sign) = {transform, 0, 0, 0, 0, 0, 0, 0};
