/* SPDX-License-Identifier: MIT */
/* Coordinate descent: for each of n_queries elements of theta in turn a step mu
 * up is tried, then one down; the first that lowers the loss of the minibatch is
 * kept while the next elements are tried. Coefficients: minus the move, or 0. */
#include "coordinates.h"

/* The losses of the minibatch at context->theta, from context->sample on. */
static int losses(const bpfree_trainer *t, bpfree_context *c, float *values)
{
  while (c->sample < t->batch) {
    bpfree_target target;
    int status = bpfree_read_sample(t, c, c->sample, &target);
    if (status) return status;
    values[c->sample++] = bpfree_loss_at(t, c, c->theta, &target);
    status = bpfree_done_one(t, c);
    if (status) return status;
  }
  return BPFREE_OK;
}

/* By how much the sum of the losses of the minibatch differs from that of `now`: the sum of differences, not the
 * difference of sums, which would be noisier. */
static float change_of(const bpfree_trainer *t, const float *now, const float *trial)
{
  float sum = trial[0] - now[0];
  for (uint32_t b = 1; b < t->batch; b++) sum += trial[b] - now[b];
  return sum;
}

/* Moves element k, and back where that does not lower the loss. */
static int try_move(const bpfree_trainer *t, bpfree_context *c, uint32_t k, float move, float *now, float *trial,
                    uint32_t *lowers)
{
  const float kept = c->theta[k];
  c->theta[k] = kept + move;
  const int status = losses(t, c, trial);
  const float change = status ? 0.0f : change_of(t, now, trial);
  const int finite = change - change == 0.0f;
  *lowers = finite && change < 0.0f;
  if (!*lowers) c->theta[k] = kept;
  for (uint32_t b = 0; *lowers && b < t->batch; b++) now[b] = trial[b];
  return finite ? status : BPFREE_ERR_NUMERIC;
}

/* context->query counts passes over the minibatch: at theta; then for each element up, and down if that is tried. */
static int descend(const bpfree_trainer *t, bpfree_context *c, float mu, float *now, float *trial)
{
  for (; c->query <= 2 * t->n_queries; c->query++, c->sample = 0) {
    uint32_t lowers = 0;
    int status;
    if (c->query == 0) {
      status = losses(t, c, now);
    } else {
      const uint32_t i = (c->query - 1) / 2, k = bpfree_coordinate(t, c, i), up = c->query % 2;
      c->coefficients[i] = c->theta[k];
      status = try_move(t, c, k, up ? mu : -mu, now, trial, &lowers);
      lowers &= up;
    }
    if (status) return status;
    c->query += lowers; /* down is not tried where up lowers the loss */
  }
  return BPFREE_OK;
}

/* Elements that have been tried. */
static uint32_t n_tried(const bpfree_context *c)
{
  return c->query ? (c->query - 1) / 2 : 0;
}

/* Moves are made in theta itself, as the next trials start from them; the first
 * values wait in the coefficients' room, and are put back whatever happens. A
 * step that goes on makes the moves of its record again first: the same sums. */
static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  const float mu = bpfree_mu(t, c->step);
  float *const now = c->work + bpfree_kept_size(t), *const trial = now + t->batch;
  if (bpfree_begins(c)) bpfree_draw_coordinates(t, c);
  for (uint32_t i = 0; i < n_tried(c); i++) {
    const uint32_t k = bpfree_coordinate(t, c, i);
    const float kept = c->theta[k];
    c->theta[k] = kept - c->coefficients[i];
    c->coefficients[i] = kept;
  }
  const int status = descend(t, c, mu, now, trial);
  for (uint32_t i = 0; i < n_tried(c); i++) {
    const uint32_t k = bpfree_coordinate(t, c, i);
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
