/* SPDX-License-Identifier: MIT */
/* A step in pieces has the bits of a step at once, however it is cut; between the pieces, and when a tick ends it, theta
 * is as it was. */
#define _POSIX_C_SOURCE 200112L
#include "run.h"

#define STEPS 3u

static uint32_t ticks, last_tick;

static int tick(void *user)
{
  CHECK(user != NULL); /* the one that samples are read with */
  return ++ticks == last_tick ? -1 : 0;
}

/* Pairs of the next step: that many ticks. */
static uint32_t pairs_of(run *r)
{
  ticks = last_tick = 0;
  r->trainer.tick = tick;
  CHECK_EQUAL(bpfree_step(&r->trainer, &r->context), BPFREE_OK);
  return ticks;
}

/* What train.h says that they are; coordinate descent takes as many as moves that fail need. */
static uint32_t pairs_wanted(const golden_run *g)
{
  const bpfree_estimator *own = bpfree_registry_estimator(g->estimator);
  const int by_query = own == &bpfree_est_rge_gaussian || own == &bpfree_est_rge_sphere;
  if (own == &bpfree_est_unit_wise) return g->batch;
  return g->batch * (g->n_coefficients + (by_query && !g->two_sided));
}

static void check_step(const run *r, const golden_run *g)
{
  const float *want = g->coefficients + (r->context.step - 1) * g->n_coefficients;
  CHECK_FLOATS(r->context.coefficients, want, g->n_coefficients);
}

/* Budgets of first, then `more` pairs: as many calls as that takes. */
static void cut(const golden_run *g, uint32_t first, uint32_t more)
{
  run r;
  CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
  const uint32_t n = g->network->model.n_theta;
  float *before = floats(n);
  r.trainer.tick = tick;
  for (uint32_t step = 0; step < STEPS; step++) {
    memcpy(before, r.context.theta, n * sizeof(float));
    uint32_t calls = 0, done = 0, budget = first;
    int status = BPFREE_MORE;
    while (status == BPFREE_MORE) {
      ticks = 0;
      status = bpfree_step_some(&r.trainer, &r.context, budget);
      done += ticks;
      CHECK(ticks <= budget && (status == BPFREE_OK || ticks == budget));
      if (status == BPFREE_MORE) CHECK_FLOATS(r.context.theta, before, n);
      if (status == BPFREE_MORE) CHECK_EQUAL(r.context.step, step);
      budget = more;
      calls++;
    }
    CHECK_EQUAL(status, BPFREE_OK);
    CHECK_EQUAL(r.context.step, step + 1);
    CHECK(done >= g->batch && calls == 1 + (done < first ? 0 : 1 + (done - first) / more));
    check_step(&r, g);
  }
  CHECK_EQUAL(r.context.sample, 0);
  CHECK_EQUAL(r.context.query, 0);
  free(before);
  run_end(&r);
}

/* A tick that fails, at the k-th pair of the second step, at once or in pieces; then the step is made. */
static void stopped(const golden_run *g, uint32_t k, uint32_t budget)
{
  run r;
  CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
  CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_OK);
  const uint32_t n = g->network->model.n_theta;
  float *before = floats(n);
  memcpy(before, r.context.theta, n * sizeof(float));
  r.trainer.tick = tick;
  ticks = 0;
  last_tick = k;
  int status = BPFREE_MORE;
  while (status == BPFREE_MORE)
    status = budget ? bpfree_step_some(&r.trainer, &r.context, budget) : bpfree_step(&r.trainer, &r.context);
  last_tick = 0;
  CHECK_EQUAL(status, BPFREE_ERR_CALLBACK);
  CHECK_EQUAL(r.context.step, 1);
  CHECK_FLOATS(r.context.theta, before, n);
  CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_OK);
  check_step(&r, g);
  free(before);
  run_end(&r);
}

/* In the middle of a step: it is finished at once, or skipped, or another one is applied. */
static void left(const golden_run *g)
{
  run r;
  CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
  const uint32_t n = g->network->model.n_theta;
  float *before = floats(n), *record = floats(g->n_coefficients);
  CHECK_EQUAL(bpfree_step_some(&r.trainer, &r.context, 1), BPFREE_MORE);
  CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_OK);
  check_step(&r, g);
  memcpy(before, r.context.theta, n * sizeof(float));
  CHECK_EQUAL(bpfree_step_some(&r.trainer, &r.context, 2), BPFREE_MORE);
  memcpy(record, g->coefficients + g->n_coefficients, g->n_coefficients * sizeof(float));
  CHECK_EQUAL(bpfree_apply(&r.trainer, &r.context, record), BPFREE_OK);
  CHECK_EQUAL(bpfree_step_some(&r.trainer, &r.context, 1), BPFREE_MORE);
  CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_OK);
  check_step(&r, g);
  memcpy(before, r.context.theta, n * sizeof(float));
  CHECK_EQUAL(bpfree_step_some(&r.trainer, &r.context, 1), BPFREE_MORE);
  CHECK_EQUAL(bpfree_skip(&r.trainer, &r.context), BPFREE_OK);
  CHECK_FLOATS(r.context.theta, before, n);
  CHECK_EQUAL(r.context.step, 4);
  CHECK_EQUAL(r.context.sample, 0);
  CHECK_EQUAL(r.context.query, 0);
  free(before);
  free(record);
  run_end(&r);
}

int main(void)
{
  for (uint32_t k = 0; k < COUNT(golden_runs); k++) {
    const golden_run *g = &golden_runs[k];
    const int before = check_failures;
    run r;
    CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
    const uint32_t pairs = pairs_of(&r);
    run_end(&r);
    CHECK(pairs == pairs_wanted(g) || r.trainer.estimator == &bpfree_est_coordinate_descent);
    for (uint32_t budget = 1; budget <= pairs + 1; budget += budget < 9 ? 1 : budget / 2) cut(g, budget, budget);
    cut(g, pairs, 1);
    cut(g, 1, pairs);
    cut(g, pairs - 1, 2);
    for (uint32_t at = 1; at <= pairs / 2; at += 1 + pairs / 16) stopped(g, at, at % 3);
    left(g);
    if (check_failures > before) printf("in the run \"%s\"\n", g->name);
  }
  return CHECK_RESULT();
}
