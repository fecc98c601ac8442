/* SPDX-License-Identifier: MIT */
/* r = ((u_t + fl(volatility^2 / 2) fl(x x) u_xx) + fl(rate x) u_x) - rate u at points (x, t). */
#include "residual.h"

int bpfree_residual_black_scholes(const void *user, const bpfree_field *u, float *r)
{
  const bpfree_black_scholes *c = user;
  if (!c || !bpfree_space_time(u) || u->features != 2) return BPFREE_ERR_ARG;
  const float half = 0.5f * (c->volatility * c->volatility);
  for (uint32_t s = 0; s < u->n; s++) {
    const float x = u->x[s], diffusion = half * (x * x) * bpfree_of(u, 3, s);
    r[s] = ((bpfree_of(u, 2, s) + diffusion) + c->rate * x * bpfree_of(u, 1, s)) - c->rate * bpfree_of(u, 0, s);
  }
  return BPFREE_OK;
}
