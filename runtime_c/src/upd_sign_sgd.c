/* SPDX-License-Identifier: MIT */
/* g <- lr sign(g), sign(0) = 0. Settings {lr}, no state. */
#include "kernel.h"

static void transform(float *g, const float *theta, float *const *state, const float *scalars, const float *settings,
                      uint32_t n)
{
  const float lr = settings[0];
  (void)theta;
  (void)state;
  (void)scalars;
  for (uint32_t k = 0; k < n; k++) g[k] = g[k] > 0.0f ? lr : g[k] < 0.0f ? -lr : 0.0f;
}

const bpfree_update BPFREE_KERNEL(upd_sign_sgd) = {transform, 0, 0, 0, 0, 0, 0, 0};
