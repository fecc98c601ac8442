/* SPDX-License-Identifier: MIT */
/* Coordinate-wise gradient estimation:
 *   g_k = (L(theta + mu e_k) - L(theta - mu e_k)) / (2 mu)
 * or, one-sided, (L(theta + mu e_k) - L(theta)) / mu, for n_queries = n of the
 * d elements of theta, or with masks for some of each slice. A block of one less
 * than n has 0 behind its own coefficients. */
#include <float.h>
#include "coordinates.h"
#include "pieces.h"

static inline float difference(const bpfree_trainer *t, const bpfree_context *c, float mu, float base,
                        const bpfree_target *target)
{
  const uint32_t k = bpfree_coordinate(t, c, c->query);
  return k == BPFREE_NOWHERE ? 0.0f : bpfree_difference_beside(t, c, k, mu, base, target);
}

static void probe(const bpfree_trainer *t, const bpfree_context *c, uint32_t query, float mu, uint32_t first,
                  uint32_t count, float *out)
{
  const struct bpfree_probe own = {.mu = mu, .element = bpfree_element(t, c->step, query)};
  bpfree_write_element(c->theta, &own, first, count, out);
}

static void finish(const bpfree_trainer *t, bpfree_context *c, uint32_t batch)
{
  const float share = bpfree_share(t, c->step, batch, 1);
  float *coefficient = c->coefficients;
  for (uint32_t number = 0; number < bpfree_n_strata(t); number++) {
    const bpfree_stratum p = bpfree_stratum_of(t, number, c->step);
    for (uint32_t i = 0; i < p.count; i++, coefficient++) *coefficient = *coefficient * share * p.scale;
  }
  while (coefficient < c->coefficients + t->n_queries) *coefficient++ = 0.0f;
}

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  if (bpfree_begins(c)) bpfree_draw_coordinates(t, c);
  const int status = bpfree_sum_differences(t, c, t->n_queries, difference);
  if (!status) finish(t, c, t->batch);
  return status;
}

/* Counts that fit their slices and add up to n, and scales that are numbers. */
static int masks_valid(const bpfree_trainer *t)
{
  uint32_t left = t->n_queries;
  if (t->model->n_slices > 65536) return 0; /* numbers of the random stream */
  for (uint32_t k = 0; k < t->model->n_slices; k++) {
    const bpfree_slice *slice = &t->model->slices[k];
    const bpfree_mask *mask = &bpfree_cge_of(t).masks[k];
    if (mask->count > (slice->frozen ? 0 : slice->size) || mask->count > left) return 0;
    if (!(mask->scale >= FLT_MIN && mask->scale <= FLT_MAX)) return 0;
    left -= mask->count;
  }
  return left == 0;
}

/* As many blocks as there are, the larger ones of n_queries elements. */
static int cycle_valid(const bpfree_trainer *t, uint32_t cycle)
{
  const uint32_t d = t->model->n_theta;
  return cycle <= d && t->n_queries == (d - 1) / cycle + 1;
}

static int check(const bpfree_trainer *t)
{
  if (bpfree_check_coordinates(t)) return BPFREE_ERR_ARG;
  const bpfree_cge own = bpfree_cge_of(t);
  if (own.cycle) return !own.masks && cycle_valid(t, own.cycle) ? BPFREE_OK : BPFREE_ERR_ARG;
  return !own.masks || masks_valid(t) ? BPFREE_OK : BPFREE_ERR_ARG;
}

const bpfree_estimator bpfree_est_cge = {
    .estimate = estimate,
    .probe = BPFREE_TOLD(probe),
    .finish = BPFREE_TOLD(finish),
    .draw = bpfree_draw_coordinates,
    .weights = bpfree_coordinate_weights,
    .gradient = bpfree_coordinate_gradient,
    .check = BPFREE_CHECKS ? check : 0,
    .work = bpfree_kept_size,
    .weights_fill_work = 1,
    .coordinates = 1,
};
