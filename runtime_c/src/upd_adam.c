/* SPDX-License-Identifier: MIT */
/* m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g g,
 * g <- lr (m / (1 - p1)) / (sqrt(v / (1 - p2)) + epsilon), where the scalars
 * p1 = beta1^t and p2 = beta2^t are running products. Settings {lr, beta1,
 * 1 - beta1, beta2, 1 - beta2, epsilon}, two vectors, two scalars. */
#include "kernel.h"
#include "sqrt32.h"

static void begin(const bpfree_trainer *t, const float *coefficients, float *scalars, const float *settings)
{
  (void)t;
  (void)coefficients;
  scalars[0] = scalars[0] * settings[1];
  scalars[1] = scalars[1] * settings[3];
}

static void transform(float *g, const float *theta, float *const *state, const float *scalars, const float *settings,
                      uint32_t n)
{
  const float lr = settings[0], beta1 = settings[1], rest1 = settings[2];
  const float beta2 = settings[3], rest2 = settings[4], epsilon = settings[5];
  const float unbias1 = 1.0f - scalars[0], unbias2 = 1.0f - scalars[1];
  float *const m = state[0], *const v = state[1];
  (void)theta;
  for (uint32_t k = 0; k < n; k++) {
    m[k] = beta1 * m[k] + rest1 * g[k];
    v[k] = beta2 * v[k] + rest2 * (g[k] * g[k]);
    g[k] = lr * (m[k] / unbias1) / (bpfree_sqrt32(v[k] / unbias2) + epsilon);
  }
}

const bpfree_update BPFREE_KERNEL(upd_adam) = {transform, begin, 0, 2, 2, 0, 0, 0};
