/* SPDX-License-Identifier: MIT */
/* g <- v, where v_k is the last partial derivative that was measured of element
 * k, times decay for each step since: those of this step are merged into v
 * before. Settings {decay}, one vector. */
#include "kernel.h"

static void transform(float *g, const float *theta, float *const *state, const float *scalars, const float *settings,
                      uint32_t n)
{
  const float decay = settings[0];
  float *const v = state[0];
  (void)theta;
  (void)scalars;
  for (uint32_t k = 0; k < n; k++) {
    g[k] = v[k];
    v[k] = decay * v[k];
  }
}

const bpfree_update BPFREE_KERNEL(upd_stale) = {transform, 0, 0, 1, 0, 0, 1, 0};
