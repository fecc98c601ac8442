/* SPDX-License-Identifier: MIT */
/* Coordinate-wise gradient estimation:
 *   g_k = (L(theta + mu e_k) - L(theta - mu e_k)) / (2 mu)
 * or, one-sided, (L(theta + mu e_k) - L(theta)) / mu, for n_queries = n of the
 * d elements of theta. Number i is element k with P(k) = i, P a permutation that
 * is drawn every mask_refresh steps; there is none where n = d. With masks each
 * slice has a P and an n of its own, and the record is slice after slice. No
 * table of elements is kept. */
#include <float.h>
#include "bpfree/train.h"
#include "clip.h"
#include "differences.h"

/* Elements [first, first + size) of theta, `count` of them probed. */
typedef struct part {
  uint32_t number, first, size, count;
  float scale;
} part;

static uint32_t n_parts(const bpfree_trainer *t)
{
  return t->masks ? t->model->n_slices : 1;
}

static part part_of(const bpfree_trainer *t, uint32_t number)
{
  if (!t->masks) return (part){0, 0, t->model->n_theta, t->n_queries, 1.0f};
  const bpfree_slice *slice = &t->model->slices[number];
  return (part){number, slice->offset, slice->size, t->masks[number].count, t->masks[number].scale};
}

/* The number of the draw that a step probes by. */
static uint32_t draw_of(const bpfree_trainer *t, uint32_t step)
{
  return t->mask_refresh > 1 ? step / t->mask_refresh : step;
}

/* The loss at theta + step e_k. Of all probes only this one is put into theta
 * itself: a copy would double the RAM, and testing each read of a parameter for
 * being number k would cost every kernel. The element is put back by
 * assignment, which is exact where adding and subtracting is not, before
 * anything that can fail, so theta keeps its bits whatever happens. */
static float loss_beside(const bpfree_trainer *t, const bpfree_context *c, uint32_t k, float step,
                         const bpfree_target *target)
{
  const float kept = c->theta[k];
  c->theta[k] = kept + step;
  const float loss = bpfree_loss_at(t, c, c->theta, target);
  c->theta[k] = kept;
  return loss;
}

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  const float mu = bpfree_mu(t, c->step);
  const uint32_t draw = draw_of(t, c->step);
  for (uint32_t b = 0; b < t->batch; b++) {
    bpfree_target target;
    const int status = bpfree_read_sample(t, c, b, &target);
    if (status) return status;
    const float base = t->two_sided ? 0.0f : bpfree_loss_at(t, c, c->theta, &target);
    float *sum = c->coefficients;
    for (uint32_t number = 0; number < n_parts(t); number++) {
      const part p = part_of(t, number);
      for (uint32_t i = 0; i < p.count; i++, sum++) {
        const uint32_t k = p.first + (p.count == p.size ? i : bpfree_unpermute(BPFREE_DOMAIN_MASK, p.number, t->seed,
                                                                               draw, p.size, i));
        const float plus = loss_beside(t, c, k, mu, &target);
        const float difference = plus - (t->two_sided ? loss_beside(t, c, k, -mu, &target) : base);
        *sum = b ? *sum + difference : difference;
      }
    }
  }
  const float share = bpfree_share(t, c->step, 1);
  float *coefficient = c->coefficients;
  for (uint32_t number = 0; number < n_parts(t); number++) {
    const part p = part_of(t, number);
    for (uint32_t i = 0; i < p.count; i++, coefficient++) *coefficient = *coefficient * share * p.scale;
  }
  return BPFREE_OK;
}

static void gradient(const bpfree_trainer *t, uint32_t step, const float *coefficients, uint32_t slice,
                     uint32_t block, uint32_t n, float *g)
{
  const uint32_t first = t->model->slices[slice].offset + block * BPFREE_BLOCK, draw = draw_of(t, step);
  const part p = part_of(t, slice);
  for (uint32_t before = 0; t->masks && before < slice; before++) coefficients += t->masks[before].count;
  for (uint32_t j = 0; j < n; j++) {
    const uint32_t k = first + j - p.first;
    const uint32_t i = p.count == p.size ? k
                                         : bpfree_permute(BPFREE_DOMAIN_MASK, p.number, t->seed, draw, p.size, k);
    g[j] = i < p.count ? bpfree_clipped(t, coefficients[i]) : 0.0f;
  }
}

/* Counts that fit their slices and add up to n, and scales that are numbers. */
static int masks_valid(const bpfree_trainer *t)
{
  uint32_t left = t->n_queries;
  if (t->model->n_slices > 65536) return 0; /* numbers of the random stream */
  for (uint32_t k = 0; k < t->model->n_slices; k++) {
    const bpfree_slice *slice = &t->model->slices[k];
    const bpfree_mask *mask = &t->masks[k];
    if (mask->count > (slice->frozen ? 0 : slice->size) || mask->count > left) return 0;
    if (!(mask->scale >= FLT_MIN && mask->scale <= FLT_MAX)) return 0;
    left -= mask->count;
  }
  return left == 0;
}

static int check(const bpfree_trainer *t)
{
  const uint32_t d = t->model->n_theta;
  if (t->grouping != BPFREE_JOINT || t->n_queries > d || d > 0x80000000u) return BPFREE_ERR_ARG;
  return !t->masks || masks_valid(t) ? BPFREE_OK : BPFREE_ERR_ARG;
}

const bpfree_estimator bpfree_est_cge = {.estimate = estimate, .gradient = gradient, .check = check};
