/* SPDX-License-Identifier: MIT */
/* Coordinate descent: for each of n_queries elements of theta in turn a step mu
 * up is tried, then one down; the first that lowers the loss of the minibatch is
 * kept while the next elements are tried. Coefficients: minus the move, or 0. */
#include "coordinates.h"

/* The losses of the minibatch at context->theta. */
static int losses(const bpfree_trainer *t, const bpfree_context *c, float *values)
{
  for (uint32_t b = 0; b < t->batch; b++) {
    bpfree_target target;
    const int status = bpfree_read_sample(t, c, b, &target);
    if (status) return status;
    values[b] = bpfree_loss_at(t, c, c->theta, &target);
  }
  return BPFREE_OK;
}

/* The losses at context->theta, and by how much their sum differs from that of
 * `now`: the sum of differences, not the difference of sums, which would be noisier. */
static int compare(const bpfree_trainer *t, const bpfree_context *c, const float *now, float *trial, float *change)
{
  const int status = losses(t, c, trial);
  if (status) return status;
  float sum = trial[0] - now[0];
  for (uint32_t b = 1; b < t->batch; b++) sum += trial[b] - now[b];
  *change = sum;
  return sum - sum == 0.0f ? BPFREE_OK : BPFREE_ERR_NUMERIC;
}

/* Tries element k, whose value was `kept`; `now` and `trial` change places where a move is kept. */
static int try_both(const bpfree_trainer *t, bpfree_context *c, uint32_t k, float mu, float **now, float **trial)
{
  const float kept = c->theta[k];
  for (uint32_t side = 0; side < 2; side++) {
    float change;
    c->theta[k] = side ? kept - mu : kept + mu;
    const int status = compare(t, c, *now, *trial, &change);
    if (status == BPFREE_OK && change < 0.0f) {
      float *const old = *now;
      *now = *trial;
      *trial = old;
      return BPFREE_OK;
    }
    c->theta[k] = kept;
    if (status) return status;
  }
  return BPFREE_OK;
}

/* Moves are made in theta itself, as the next trials start from them; the first
 * values wait in the coefficients' room, and are put back whatever happens. */
static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  const float mu = bpfree_mu(t, c->step);
  const bpfree_stratum all = bpfree_stratum_of(t, 0, c->step);
  float *now = c->work + bpfree_kept_size(t), *trial = now + t->batch;
  bpfree_draw_coordinates(t, c);
  int status = losses(t, c, now);
  uint32_t n = 0;
  while (n < t->n_queries && status == BPFREE_OK) {
    const uint32_t k = bpfree_coordinate(t, c, all, n, n);
    c->coefficients[n++] = c->theta[k];
    status = try_both(t, c, k, mu, &now, &trial);
  }
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t k = bpfree_coordinate(t, c, all, i, i);
    const float kept = c->coefficients[i], moved = c->theta[k];
    c->theta[k] = kept;
    c->coefficients[i] = moved > kept ? -mu : moved < kept ? mu : 0.0f;
  }
  return status;
}

static int check(const bpfree_trainer *t)
{
  return t->settings ? BPFREE_ERR_ARG : bpfree_check_coordinates(t);
}

static uint32_t work(const bpfree_trainer *t)
{
  return bpfree_kept_size(t) + 2 * t->batch;
}

const bpfree_estimator bpfree_est_coordinate_descent = {
    .estimate = estimate,
    .draw = bpfree_draw_coordinates,
    .weights = bpfree_coordinate_weights,
    .gradient = bpfree_coordinate_gradient,
    .check = BPFREE_CHECKS ? check : 0,
    .work = work,
};
