/* SPDX-License-Identifier: MIT */
/* Training gives the bits of the NumPy reference: the record of every step,
 * theta at steps 1, 10 and 100, and again when replayed from the record. */
#define _POSIX_C_SOURCE 200112L
#include "run.h"

static void check_hash(const golden_run *g, const run *r)
{
  for (uint32_t k = 0; k < GOLDEN_HASHES; k++)
    if (r->context.step == golden_hashed_steps[k])
      CHECK_EQUAL(bpfree_hash(r->context.theta, g->network->model.n_theta), g->hash[k]);
}

static void trains(const golden_run *g)
{
  run r;
  CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
  for (uint32_t step = 0; step < GOLDEN_STEPS; step++) {
    CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_OK);
    CHECK_EQUAL(r.context.step, step + 1);
    CHECK_FLOATS(r.context.coefficients, g->coefficients + step * g->n_coefficients, g->n_coefficients);
    check_hash(g, &r);
  }
  run_end(&r);
}

/* Without data: no sample function. */
static void replays(const golden_run *g)
{
  run r;
  CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
  r.trainer.sample = NULL;
  for (uint32_t step = 0; step < GOLDEN_STEPS; step++) {
    CHECK_EQUAL(bpfree_apply(&r.trainer, &r.context, g->coefficients + step * g->n_coefficients), BPFREE_OK);
    check_hash(g, &r);
  }
  run_end(&r);
}

/* Which direction all probes of a run have, if it is one for all. */
static int direction_of(const golden_run *g, uint32_t *direction)
{
  static const struct {
    const bpfree_estimator *estimator;
    uint32_t direction;
  } rows[] = {{&bpfree_est_rge, BPFREE_RADEMACHER},
              {&bpfree_est_rge_gaussian, BPFREE_GAUSSIAN},
              {&bpfree_est_rge_sphere, BPFREE_SPHERE},
              {&bpfree_est_rge_hadamard, BPFREE_HADAMARD},
              {&bpfree_est_cge, BPFREE_COORDINATE}};
  for (uint32_t k = 0; k < COUNT(rows); k++)
    if (rows[k].estimator == bpfree_registry_estimator(g->estimator)) {
      *direction = rows[k].direction;
      return 1;
    }
  return 0;
}

/* The host's way to the same coefficients: per-sample losses of a batch. */
static void evaluates(const golden_run *g)
{
  uint32_t direction;
  if (!g->two_sided || g->n_coefficients != g->n_queries || cge_of(g).masks || !direction_of(g, &direction)) return;
  const int coordinates = direction == BPFREE_COORDINATE, rows = direction == BPFREE_HADAMARD;
  const int normals = direction == BPFREE_GAUSSIAN || direction == BPFREE_SPHERE;
  const uint32_t domain = normals ? BPFREE_DOMAIN_GAUSSIAN : BPFREE_DOMAIN_PROBE;
  const bpfree_model *model = &g->network->model;
  const uint32_t features = model->tensors[model->input].size, outputs = model->tensors[model->output].size;
  float *x = floats(g->batch * features), *targets = floats(g->batch * outputs), *losses = floats(2 * g->batch);
  uint32_t labels[16] = {0};
  CHECK(g->batch <= COUNT(labels));
  run r;
  CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
  for (uint32_t i = 0; i < g->batch; i++) {
    bpfree_target y;
    CHECK_EQUAL(bpfree_sample_row(&r.rows, 0, i, x + i * features, &y), 0);
    labels[i] = y.label;
    if (y.values) memcpy(targets + i * outputs, y.values, outputs * sizeof(float));
  }
  const bpfree_batch batch = {x, g->network->batch.labels ? labels : NULL,
                              g->network->batch.targets ? targets : NULL, g->batch};
  const uint64_t bytes = bpfree_workspace_size(model, NULL, g->batch, 1);
  float *workspace = room(bytes);
  const float scale = 1.0f / (2.0f * g->mu * (float)(g->batch * (coordinates ? 1 : g->n_queries))) * g->scale;
  for (uint32_t query = 0; query < g->n_queries; query++) {
    const uint32_t stream = bpfree_address(domain, coordinates || rows ? 0 : query, 0);
    uint32_t element =
        coordinates ? bpfree_unpermute(BPFREE_DOMAIN_MASK, 0, g->seed, 0, model->n_theta, query) : 0;
    uint32_t order = 1;
    while (order < model->n_theta) order *= 2;
    if (rows) element = bpfree_permute(BPFREE_DOMAIN_MASK, 0, g->seed, 0, order, query);
    const struct bpfree_probe probes[2] = {{g->seed, 0, stream, g->mu, 0, model->n_theta, direction, element},
                                    {g->seed, 0, stream, -g->mu, 0, model->n_theta, direction, element}};
    CHECK_EQUAL(bpfree_evaluate(model, NULL, g->network->theta, &batch, r.trainer.loss, probes, 2, 1, workspace, bytes,
                                losses),
                BPFREE_OK);
    float sum = losses[0] - losses[g->batch];
    for (uint32_t i = 1; i < g->batch; i++) sum += losses[i] - losses[g->batch + i];
    sum *= scale;
    CHECK_FLOATS(&sum, g->coefficients + query, 1);
  }
  free(x);
  free(targets);
  free(losses);
  free(workspace);
  run_end(&r);
}

static void sizes(const golden_run *g)
{
  run r;
  CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
  const bpfree_model *model = &g->network->model;
  const uint32_t all = model->n_theta + model->tensors[model->input].size + bpfree_train_arena_size(model) +
                       g->n_coefficients + bpfree_work_size(&r.trainer);
  CHECK_EQUAL(bpfree_train_size(&r.trainer), all * sizeof(float) + sizeof(bpfree_context));
  CHECK(bpfree_train_arena_size(model) >= BPFREE_BLOCK);
  CHECK_EQUAL(bpfree_n_groups(&r.trainer) * g->n_queries, g->n_coefficients);
  run_end(&r);
}

int main(void)
{
  for (uint32_t k = 0; k < COUNT(golden_runs); k++) {
    const int before = check_failures;
    trains(&golden_runs[k]);
    replays(&golden_runs[k]);
    evaluates(&golden_runs[k]);
    sizes(&golden_runs[k]);
    if (check_failures > before) printf("in the run \"%s\"\n", golden_runs[k].name);
  }
  return CHECK_RESULT();
}
