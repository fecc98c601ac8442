/* SPDX-License-Identifier: MIT */
/* g <- fl(g + fl(rate theta)). Settings {rate}, no state. Before the step rule
 * it is an L2 penalty, behind it decoupled decay. */
#include "kernel.h"

static void transform(float *g, const float *theta, float *const *state, const float *scalars, const float *settings,
                      uint32_t n)
{
  const float rate = settings[0];
  (void)state;
  (void)scalars;
  for (uint32_t k = 0; k < n; k++) g[k] = g[k] + rate * theta[k];
}

const bpfree_update BPFREE_KERNEL(upd_weight_decay) = {transform, 0, 0, 0, 0, 0, 0, 0};
