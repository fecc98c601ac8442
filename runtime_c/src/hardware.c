/* SPDX-License-Identifier: MIT */
/* Forward passes by hardware: it is loaded with the parameters of a probe, and tells the losses. */
#include "bpfree/train.h"

#if BPFREE_TELL
int bpfree_probe(const bpfree_trainer *t, const bpfree_context *c, uint32_t query, uint32_t side, uint32_t first,
                 uint32_t count, float *out)
{
  const uint32_t d = t->model->n_theta;
  if (!t->estimator->probe || query >= bpfree_record_size(t) || side > 1 || first > d || count > d - first || !out)
    return BPFREE_ERR_ARG;
  const float mu = bpfree_mu(t, c->step);
  if (side == 0 || t->two_sided) t->estimator->probe(t, c, query, side ? -mu : mu, first, count, out);
  else for (uint32_t k = 0; k < count; k++) out[k] = c->theta[first + k];
  return BPFREE_OK;
}

int bpfree_tell(const bpfree_trainer *t, bpfree_context *c, const float *losses)
{
  if (!t->estimator->probe || !losses) return BPFREE_ERR_ARG;
  const uint32_t n = bpfree_record_size(t);
  for (uint32_t k = 0; k < n; k++)
    c->coefficients[k] = t->two_sided ? losses[2 * k] - losses[2 * k + 1] : losses[1 + k] - losses[0];
  t->estimator->finish(t, c, 1);
  return bpfree_apply(t, c, c->coefficients);
}
#endif
