/* SPDX-License-Identifier: MIT */
/* Of u = sum x + (end - t) f: u_i = 1 + (end - t) f_i. */
#include "residual.h"

int bpfree_residual_hjb_lin(const void *user, const bpfree_field *u, float *r)
{
  if (!user || !bpfree_space_time(u)) return BPFREE_ERR_ARG;
  for (uint32_t s = 0; s < u->n; s++) r[s] = bpfree_hjb_at(user, u, s, 0.0f, 1.0f, 0.0f);
  return BPFREE_OK;
}
