/* SPDX-License-Identifier: MIT */
/* Coordinates on small tensors and Hadamard directions on large ones: tensor t of
 * d_t elements has q_t of the n_queries probes. Where q_t = d_t they are its
 * coordinates, as in est_cge.c, else directions, as in est_rge_hadamard.c.
 *
 * context->work holds, as words, q of each slice, and for a replay the rows of
 * all probes; then the clipped coefficients. */
#include "on_read.h"

static bpfree_word *words_of(const bpfree_context *c)
{
  return (bpfree_word *)c->work;
}

static int is_full(const bpfree_slice *slice, uint32_t q)
{
  return slice->frozen || q == slice->size;
}

/* Shares the probes out: one each, then each next one to the largest
 * d / (q (q + 1)), which is how much less noise it leaves; the first of equals. */
static void share_out(const bpfree_trainer *t, bpfree_word *q)
{
  const bpfree_model *model = t->model;
  uint32_t left = t->n_queries;
  for (uint32_t k = 0; k < model->n_slices; k++) {
    q[k].u = model->slices[k].frozen ? 0 : 1;
    left -= q[k].u;
  }
  for (; left; left--) {
    uint32_t best = model->n_slices;
    uint64_t size = 0, divisor = 1;
    for (uint32_t k = 0; k < model->n_slices; k++) {
      if (is_full(&model->slices[k], q[k].u)) continue;
      const uint64_t own = (uint64_t)q[k].u * (q[k].u + 1u);
      if (model->slices[k].size * divisor > size * own) {
        best = k;
        size = model->slices[k].size;
        divisor = own;
      }
    }
    q[best].u++; /* check(): there is one that is not full */
  }
}

static float difference(const bpfree_trainer *t, const bpfree_context *c, uint32_t slice, uint32_t i, float mu,
                        float base, const bpfree_target *target)
{
  const bpfree_slice *own = &t->model->slices[slice];
  if (words_of(c)[slice].u == own->size) return bpfree_difference_beside(t, c, own->offset + i, mu, base, target);
  const struct bpfree_probe probe = bpfree_sign_probe(t, c->step, i, mu, own->offset, own->size, BPFREE_HADAMARD);
  return bpfree_sign_difference(t, c, &probe, base, target);
}

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  if (t->two_sided && !bpfree_has_two_sides(t->model)) return BPFREE_ERR_ARG;
  const float mu = bpfree_mu(t, c->step);
  const bpfree_word *q = words_of(c);
  share_out(t, words_of(c));
  for (uint32_t b = 0; b < t->batch; b++) {
    bpfree_target target;
    const int status = bpfree_read_sample(t, c, b, &target);
    if (status) return status;
    const float base = t->two_sided ? 0.0f : bpfree_loss_at(t, c, c->theta, &target);
    float *sum = c->coefficients;
    for (uint32_t slice = 0; slice < t->model->n_slices; slice++)
      for (uint32_t i = 0; i < q[slice].u; i++, sum++) {
        const float more = difference(t, c, slice, i, mu, base, &target);
        *sum = b ? *sum + more : more;
      }
  }
  float *coefficient = c->coefficients;
  for (uint32_t slice = 0; slice < t->model->n_slices; slice++) {
    const int coordinates = q[slice].u == t->model->slices[slice].size;
    const float share = bpfree_share(t, c->step, coordinates ? 1 : q[slice].u);
    for (uint32_t i = 0; i < q[slice].u; i++) *coefficient++ *= share;
  }
  return BPFREE_OK;
}

static const float *weights(const bpfree_trainer *t, const bpfree_context *c, uint32_t first, uint32_t count,
                            const float *coefficients)
{
  const bpfree_model *model = t->model;
  bpfree_word *q = words_of(c), *row = q + model->n_slices;
  float *weight = c->work + model->n_slices + t->n_queries;
  share_out(t, q);
  (void)first;
  (void)count; /* all of theta */
  for (uint32_t k = 0; k < t->n_queries; k++) weight[k] = bpfree_clipped(t, coefficients[k]);
  for (uint32_t slice = 0; slice < model->n_slices; slice++) {
    const uint32_t n = bpfree_hadamard_order(model->slices[slice].size);
    for (uint32_t i = 0; i < q[slice].u; i++, row++)
      row->u = is_full(&model->slices[slice], q[slice].u) ? 0 : bpfree_hadamard_row(t, c->step, n, i);
  }
  return c->work;
}

static void gradient(const bpfree_trainer *t, uint32_t step, const float *work, uint32_t slice, uint32_t block,
                     uint32_t n, float *g)
{
  const bpfree_word *q = (const bpfree_word *)work, *rows = q + t->model->n_slices;
  const float *weight = work + t->model->n_slices + t->n_queries;
  uint32_t first = 0;
  for (uint32_t k = 0; k < slice; k++) first += q[k].u;
  if (!is_full(&t->model->slices[slice], q[slice].u)) {
    bpfree_hadamard_gradient(t, step, q[slice].u, weight + first, rows + first, slice, block, n, g);
    return;
  }
  for (uint32_t j = 0; j < n; j++) g[j] = weight[first + block * BPFREE_BLOCK + j];
}

static int check(const bpfree_trainer *t)
{
  const uint32_t n = t->n_queries;
  uint32_t tensors = 0;
  for (uint32_t k = 0; k < t->model->n_slices; k++) tensors += !t->model->slices[k].frozen;
  const int fits = tensors <= n && n <= t->model->n_theta && n <= 65536u && t->model->n_theta <= 0x80000000u;
  return BPFREE_HADAMARD_ROWS && fits ? BPFREE_OK : BPFREE_ERR_ARG;
}

static uint32_t work(const bpfree_trainer *t)
{
  return t->model->n_slices + 2 * t->n_queries;
}

const bpfree_estimator bpfree_est_hybrid = {
    .estimate = estimate,
    .gradient = gradient,
    .check = check,
    .weights = weights,
    .work = work,
    .weights_fill_work = 1,
};
