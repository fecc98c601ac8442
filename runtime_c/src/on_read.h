/* SPDX-License-Identifier: MIT */
/* Random gradient estimation with directions of signs, what est_rge.c and
 * est_rge_hadamard.c share: parameters are perturbed as they are read, both
 * sides in one pass. */
#ifndef BPFREE_ON_READ_H
#define BPFREE_ON_READ_H

#include "clip.h"
#include "differences.h"
#include "signs.h"

#if !BPFREE_PROBE_ON_READ
#error "directions of signs need kernels that perturb as they read: BPFREE_PROBE_ON_READ 1"
#endif

/* The least power of two that is at least d. */
static inline uint32_t bpfree_hadamard_order(uint32_t d)
{
  uint32_t n = 1;
  while (n < d) n <<= 1;
  return n;
}

/* The row of the Hadamard matrix of order n that a query has at a step. */
static inline uint32_t bpfree_hadamard_row(const bpfree_trainer *t, uint32_t step, uint32_t n, uint32_t query)
{
  return bpfree_permute(BPFREE_DOMAIN_MASK, 0, t->seed, step, n, query & (n - 1u));
}

/* The probe of a query on elements [first, first + count) of theta. */
static inline struct bpfree_probe bpfree_sign_probe(const bpfree_trainer *t, uint32_t step, uint32_t query, float mu,
                                             uint32_t first, uint32_t count, uint32_t direction)
{
  const int rows = direction == BPFREE_HADAMARD; /* all have the signs of query 0 */
  const uint32_t address = bpfree_address(BPFREE_DOMAIN_PROBE, rows ? 0 : query, 0);
  struct bpfree_probe probe = {t->seed, step, address, mu, first, count, direction, 0};
  if (rows) {
    probe.element = bpfree_hadamard_row(t, step, bpfree_hadamard_order(count), query);
  }
  return probe;
}

/* The loss at the probe's plus side less that at its minus side, or less base. */
static inline float bpfree_sign_difference(const bpfree_trainer *t, const bpfree_context *c,
                                           const struct bpfree_probe *probe, float base, const bpfree_target *target)
{
  const bpfree_pass pass = {t->model, c->theta, probe, c->x, c->arena, 1, t->two_sided ? 2 : 1};
  bpfree_forward(&pass);
  const float plus = bpfree_loss_of(t, &pass, 0, target);
  return plus - (t->two_sided ? bpfree_loss_of(t, &pass, 1, target) : base);
}

/* Differences of one sample, added to the running sums. */
static inline void bpfree_sign_sample(const bpfree_trainer *t, bpfree_context *c, const bpfree_target *target,
                                     float mu, int is_first, uint32_t direction)
{
  const float base = t->two_sided ? 0.0f : bpfree_loss_at(t, c, c->theta, target);
  float *sum = c->coefficients;
  for (uint32_t g = 0, first, count; bpfree_group(t, g, &first, &count) == BPFREE_OK; g++)
    for (uint32_t query = 0; query < t->n_queries; query++, sum++) {
      const struct bpfree_probe probe = bpfree_sign_probe(t, c->step, query, mu, first, count, direction);
      const float difference = bpfree_sign_difference(t, c, &probe, base, target);
      *sum = is_first ? difference : *sum + difference;
    }
}

/* Tables for one side would make every difference 0 without a word. */
static inline int bpfree_has_two_sides(const bpfree_model *model)
{
  for (uint32_t k = 0; k < model->n_tensors; k++)
    if (model->tensors[k].side) return 1;
  return 0;
}

static inline int bpfree_sign_estimate(const bpfree_trainer *t, bpfree_context *c, uint32_t direction)
{
  if (t->two_sided && t->model->n_theta && !bpfree_has_two_sides(t->model)) return BPFREE_ERR_ARG;
  const float mu = bpfree_mu(t, c->step);
  for (uint32_t i = 0; i < t->batch; i++) {
    bpfree_target target;
    const int status = bpfree_read_sample(t, c, i, &target);
    if (status) return status;
    bpfree_sign_sample(t, c, &target, mu, i == 0, direction);
  }
  const float share = bpfree_share(t, c->step, t->n_queries);
  const uint32_t n = bpfree_record_size(t);
  for (uint32_t k = 0; k < n; k++) c->coefficients[k] *= share;
  return BPFREE_OK;
}

/* g[0..n) = c times the signs of word, or plus that. */
static inline void bpfree_add_signs(float *g, uint32_t n, float c, uint32_t word, int is_first)
{
  if (is_first)
    for (uint32_t k = 0; k < n; k++, word <<= 1) g[k] = bpfree_signed(c, word);
  else
    for (uint32_t k = 0; k < n; k++, word <<= 1) g[k] += bpfree_signed(c, word);
}

/* The same for q Hadamard directions: their signs are drawn once. */
static inline void bpfree_hadamard_gradient(const bpfree_trainer *t, uint32_t step, uint32_t q,
                                            const float *weights, const bpfree_word *rows, uint32_t slice,
                                            uint32_t block, uint32_t n, float *g)
{
  const uint32_t address = bpfree_address(BPFREE_DOMAIN_PROBE, 0, 0);
  const struct bpfree_probe probe = {t->seed, step, address, 0.0f, 0, 0, BPFREE_RADEMACHER, 0};
  const uint32_t k = t->model->slices[slice].offset + block * BPFREE_BLOCK;
  bpfree_signs signs;
  bpfree_signs_start(&signs, &probe, &t->model->slices[slice], block);
  for (uint32_t done = 0; done < n; done += 32) {
    bpfree_signs_refill(&signs);
    for (uint32_t query = 0; query < q; query++)
      bpfree_add_signs(g + done, n - done < 32 ? n - done : 32, weights[query],
                       signs.word ^ bpfree_hadamard_word(rows[query].u, k + done), query == 0);
  }
}

#endif
