/* SPDX-License-Identifier: MIT */
/* Of u = v + (end - t) f, v = log((1 + |x|^2) / 2). With q = 2 / (1 + |x|^2):
 * v_i = q x_i and Lap v = (d - 2) q + q^2. */
#include "residual.h"

int bpfree_residual_hjb_lqg(const void *user, const bpfree_field *u, float *r)
{
  if (!user || !bpfree_space_time(u)) return BPFREE_ERR_ARG;
  const uint32_t d = u->features - 1;
  for (uint32_t s = 0; s < u->n; s++) {
    float square = 1.0f;
    for (uint32_t i = 0; i < d; i++) square += u->x[i * u->n + s] * u->x[i * u->n + s];
    const float q = 2.0f / square;
    r[s] = bpfree_hjb_at(user, u, s, q, 0.0f, ((float)d - 2.0f) * q + q * q);
  }
  return BPFREE_OK;
}
