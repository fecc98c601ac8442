/* SPDX-License-Identifier: MIT */
/* Random gradient estimation as in est_rge.c, with directions that are rows of a
 * Hadamard matrix, its columns multiplied by random signs:
 *   u_i[k] = s_k (-1)^(bits that r_i and k share)
 * Signs s and the rows r_i, all different, are those of the step. No table. */
#include "on_read.h"

static inline float difference(const bpfree_trainer *t, const bpfree_context *c, float mu, float base,
                        const bpfree_target *target)
{
  const struct bpfree_probe own = bpfree_sign_query(t, c->step, c->query, mu, BPFREE_HADAMARD);
  return bpfree_sign_difference(t, c, own, base, target);
}

static int estimate(const bpfree_trainer *t, bpfree_context *c)
{
  return bpfree_sign_estimate(t, c, difference);
}

static void probe(const bpfree_trainer *t, const bpfree_context *c, uint32_t query, float mu, uint32_t first,
                  uint32_t count, float *out)
{
  const struct bpfree_probe own = bpfree_sign_query(t, c->step, query, mu, BPFREE_HADAMARD);
  bpfree_write_piece(t->model, c->theta, &own, first, count, out, bpfree_sign_steps);
}

/* The clipped coefficients, and behind them, as words, the queries' rows. */
static const float *weights(const bpfree_trainer *t, const bpfree_context *c, uint32_t first, uint32_t count,
                            const float *coefficients)
{
  (void)first;
  const uint32_t n = bpfree_hadamard_order(count);
  for (uint32_t query = 0; query < t->n_queries; query++) {
    c->work[query] = bpfree_clipped(t, coefficients[query]);
    ((bpfree_word *)c->work)[t->n_queries + query].u = bpfree_hadamard_row(t, c->step, n, query);
  }
  return c->work;
}

static void gradient(const bpfree_trainer *t, uint32_t step, const float *weights, uint32_t slice, uint32_t block,
                     uint32_t n, float *g)
{
  const bpfree_word *rows = (const bpfree_word *)(weights + t->n_queries);
  bpfree_hadamard_gradient(t, step, t->n_queries, weights, rows, slice, block, n, g);
}

static uint32_t work(const bpfree_trainer *t)
{
  return 2 * t->n_queries;
}

/* Signs without rows would all be those of query 0. */
static int check(const bpfree_trainer *t)
{
  return BPFREE_HADAMARD_ROWS ? bpfree_rge_check(t) : BPFREE_ERR_ARG;
}

const bpfree_estimator bpfree_est_rge_hadamard = {
    .estimate = estimate,
    .probe = BPFREE_TOLD(probe),
    .finish = BPFREE_TOLD(bpfree_mean_of_queries),
    .gradient = gradient,
    .check = BPFREE_CHECKS ? check : 0,
    .group = bpfree_rge_group,
    .weights = weights,
    .work = work,
    .weights_fill_work = 1,
    .averages = 1,
};
