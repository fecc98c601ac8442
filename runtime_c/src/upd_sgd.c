/* SPDX-License-Identifier: MIT */
/* theta = fl(theta - fl(lr g)). settings {lr}, no state. */
#include "bpfree/train.h"

static void apply(float *theta, const float *gradient, float *const *state, const float *settings, uint32_t n)
{
  const float lr = settings[0];
  (void)state;
  for (uint32_t k = 0; k < n; k++) theta[k] = theta[k] - lr * gradient[k];
}

const bpfree_update bpfree_upd_sgd = {apply, 0};
