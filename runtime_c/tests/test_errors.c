/* SPDX-License-Identifier: MIT */
/* What goes wrong leaves theta and step as they were; settings and buffers
 * that cannot work are refused; probes only read theta. */
#define _POSIX_C_SOURCE 200112L
#include "run.h"

#define ALL 0xffffffffu
static const float huge = 0x1p+127f;

/* train_init must refuse a run after one `change` of it; ON: a run of that estimator. */
#define REFUSED(change, status) ON(bpfree_est_rge, change, status)
#define ON(which, change, status)                                               \
  do {                                                                          \
    run r;                                                                      \
    CHECK_EQUAL(run_start(&r, first_of(&(which))), BPFREE_OK);                  \
    run changed = r;                                                            \
    changed.change;                                                             \
    CHECK_EQUAL(bpfree_train_init(&changed.trainer, &changed.context), status); \
    run_end(&r);                                                                \
  } while (0)

static const golden_run *first_of(const bpfree_estimator *estimator)
{
  const golden_run *g = golden_runs;
  while (bpfree_registry_estimator(g->estimator) != estimator) g++;
  return g;
}

static void estimators(void)
{
  ON(bpfree_est_rge, context.work = NULL, BPFREE_OK);
  ON(bpfree_est_rge_gaussian, context.work = NULL, BPFREE_ERR_ARG);
  ON(bpfree_est_rge_gaussian, context.work++, BPFREE_ERR_ALIGN);
  ON(bpfree_est_rge_gaussian, trainer.n_queries = 4097, BPFREE_ERR_ARG);
  ON(bpfree_est_rge_sphere, context.work = NULL, BPFREE_ERR_ARG);
  ON(bpfree_est_rge_sphere, trainer.n_queries = 4097, BPFREE_ERR_ARG);
  ON(bpfree_est_rge_hadamard, context.work = NULL, BPFREE_ERR_ARG);
  ON(bpfree_est_rge_hadamard, trainer.n_queries = 4097, BPFREE_ERR_ARG);
  ON(bpfree_est_hybrid, context.work = NULL, BPFREE_ERR_ARG);
  ON(bpfree_est_hybrid, trainer.n_queries = 1, BPFREE_ERR_ARG);
  ON(bpfree_est_hybrid, trainer.n_queries = r.trainer.model->n_theta + 1, BPFREE_ERR_ARG);
  ON(bpfree_est_cge, context.work = NULL, BPFREE_ERR_ARG); /* few are kept */
  float record[64 * BPFREE_ALIGN]; /* more than n_theta; aligned below */
  float *const all = record + (BPFREE_ALIGN - (uintptr_t)record % BPFREE_ALIGN) / sizeof(float);
  ON(bpfree_est_cge, context.work = NULL; changed.trainer.n_queries = r.trainer.model->n_theta;
     changed.context.coefficients = all; changed.context.coefficient_floats = changed.trainer.n_queries, BPFREE_OK);
  ON(bpfree_est_cge, trainer.n_queries = r.trainer.model->n_theta + 1, BPFREE_ERR_ARG);
  ON(bpfree_est_cge, context.work = NULL; changed.trainer.n_queries = r.trainer.model->n_theta, BPFREE_ERR_SIZE);
  ON(bpfree_est_unit_wise, trainer.n_queries = r.trainer.model->n_theta - 1, BPFREE_ERR_ARG);
  ON(bpfree_est_unit_wise, trainer.settings = NULL, BPFREE_OK); /* bpfree_apply needs none */
  const bpfree_rge layers = {.grouping = BPFREE_LAYER}, unknown = {.grouping = BPFREE_TENSOR + 1};
  ON(bpfree_est_rge_gaussian, trainer.settings = &layers, BPFREE_OK);
  ON(bpfree_est_rge_gaussian, trainer.settings = &unknown, BPFREE_ERR_ARG);
  ON(bpfree_est_rge_hadamard, trainer.settings = &unknown, BPFREE_ERR_ARG);
  ON(bpfree_est_rge_sphere, trainer.settings = &unknown, BPFREE_ERR_ARG);
  REFUSED(trainer.settings = &unknown, BPFREE_ERR_ARG);
  REFUSED(trainer.settings = NULL, BPFREE_OK);
}

/* A window of no records, of too many, and behind another link. */
static void windows(void)
{
  float state[64 * BPFREE_ALIGN]; /* more than it needs; aligned below */
  float *const records = state + (BPFREE_ALIGN - (uintptr_t)state % BPFREE_ALIGN) / sizeof(float);
  const uint32_t room = BPFREE_FLOATS(state) - BPFREE_ALIGN;
  const float none[] = {0.1f, 0.9f, 0.0f}, two[] = {0.1f, 0.9f, 2.0f}, many[] = {0.1f, 0.9f, 4097.0f};
  const bpfree_link empty = {&bpfree_upd_window_momentum, none}, good = {&bpfree_upd_window_momentum, two};
  const bpfree_link large = {&bpfree_upd_window_momentum, many};
  const bpfree_link behind[] = {{&bpfree_upd_sgd, two}, good}, before[] = {good, {&bpfree_upd_sgd, two}};
  REFUSED(trainer.links = &empty, BPFREE_ERR_ARG);
  REFUSED(trainer.links = &large, BPFREE_ERR_ARG);
  REFUSED(trainer.links = &good, BPFREE_ERR_ARG); /* no room for the records */
  REFUSED(context.state = records; changed.trainer.links = &good, BPFREE_ERR_SIZE);
  REFUSED(context.state = records; changed.context.state_floats = room; changed.trainer.links = &good, BPFREE_OK);
  REFUSED(context.state = records; changed.context.state_floats = room; changed.trainer.links = before; changed.trainer.n_links = 2, BPFREE_OK);
  REFUSED(context.state = records; changed.context.state_floats = room; changed.trainer.links = behind; changed.trainer.n_links = 2, BPFREE_ERR_ARG);
  bpfree_estimator lost = bpfree_est_rge_gaussian;
  lost.work = NULL; /* where would weights be kept? */
  REFUSED(context.state = records; changed.context.state_floats = room; changed.trainer.links = &good; changed.trainer.estimator = &lost, BPFREE_ERR_ARG);
}

/* Partial derivatives are remembered by a first link, of coordinates only. */
static void stale(void)
{
  float state[64 * BPFREE_ALIGN]; /* more than n_theta; aligned below */
  float *const vector = state + (BPFREE_ALIGN - (uintptr_t)state % BPFREE_ALIGN) / sizeof(float);
  const uint32_t room = BPFREE_FLOATS(state) - BPFREE_ALIGN;
  const float one[] = {1.0f};
  const bpfree_link own = {&bpfree_upd_stale, one};
  const bpfree_link behind[] = {{&bpfree_upd_sgd, one}, own}, before[] = {own, {&bpfree_upd_sgd, one}};
  ON(bpfree_est_cge, context.state = vector; changed.context.state_floats = room; changed.trainer.links = &own, BPFREE_OK);
  ON(bpfree_est_cge, trainer.links = &own, BPFREE_ERR_ARG); /* no room for them */
  ON(bpfree_est_cge, context.state = vector; changed.context.state_floats = room; changed.trainer.links = before; changed.trainer.n_links = 2, BPFREE_OK);
  ON(bpfree_est_cge, context.state = vector; changed.context.state_floats = room; changed.trainer.links = behind; changed.trainer.n_links = 2,
     BPFREE_ERR_ARG);
  REFUSED(context.state = vector; changed.context.state_floats = room; changed.trainer.links = &own, BPFREE_ERR_ARG);
  ON(bpfree_est_hybrid, context.state = vector; changed.context.state_floats = room; changed.trainer.links = &own, BPFREE_ERR_ARG);
}

/* As many blocks of n_queries elements as cover all of theta. */
static void cycles(void)
{
  const bpfree_cge two = {.cycle = 2};
  bpfree_cge all = {0};
  ON(bpfree_est_cge, trainer.settings = &two, BPFREE_ERR_ARG);
  ON(bpfree_est_cge, trainer.settings = &two; changed.context.coefficient_floats = changed.context.work_floats = ALL;
     changed.trainer.n_queries = (r.trainer.model->n_theta + 1) / 2, BPFREE_OK);
  ON(bpfree_est_cge, trainer.settings = &two; changed.trainer.n_queries = r.trainer.model->n_theta / 2 + 2,
     BPFREE_ERR_ARG);
  ON(bpfree_est_cge, trainer.n_queries = 1; all.cycle = r.trainer.model->n_theta; changed.trainer.settings = &all,
     BPFREE_OK);
  ON(bpfree_est_cge, trainer.n_queries = 1; all.cycle = r.trainer.model->n_theta + 1; changed.trainer.settings = &all,
     BPFREE_ERR_ARG);
  ON(bpfree_est_coordinate_descent, trainer.settings = &two, BPFREE_ERR_ARG); /* it has none */
}

/* Masks of the run that has some, one of them changed. */
#define MASKS 8
#define MASK_REFUSED(slice, change, status)                                     \
  do {                                                                          \
    run r;                                                                      \
    CHECK_EQUAL(run_start(&r, masked), BPFREE_OK);                              \
    bpfree_mask own[MASKS];                                                     \
    bpfree_cge settings = cge_of(masked);                                       \
    CHECK(r.trainer.model->n_slices <= MASKS);                                  \
    memcpy(own, settings.masks, r.trainer.model->n_slices * sizeof(*own));      \
    own[slice].change;                                                          \
    settings.masks = own;                                                       \
    r.trainer.settings = &settings;                                             \
    CHECK_EQUAL(bpfree_train_init(&r.trainer, &r.context), status);             \
    run_end(&r);                                                                \
  } while (0)

static void masks(void)
{
  const golden_run *masked = golden_runs;
  while (!cge_of(masked).masks) masked++;
  const bpfree_model *model = &masked->network->model;
  uint32_t frozen = 0, trained = 0;
  while (!model->slices[frozen].frozen) frozen++;
  while (model->slices[trained].frozen) trained++;
  MASK_REFUSED(trained, count += 0, BPFREE_OK);
  MASK_REFUSED(trained, count += 1, BPFREE_ERR_ARG);
  MASK_REFUSED(trained, count -= 1, BPFREE_ERR_ARG);
  MASK_REFUSED(trained, count = model->slices[trained].size + 1, BPFREE_ERR_ARG);
  MASK_REFUSED(frozen, count = 1, BPFREE_ERR_ARG);
  MASK_REFUSED(trained, count += 0; settings.cycle = (model->n_theta - 1) / r.trainer.n_queries + 1, BPFREE_ERR_ARG);
  MASK_REFUSED(trained, scale = 0.0f, BPFREE_ERR_ARG);
  MASK_REFUSED(trained, scale = -1.0f, BPFREE_ERR_ARG);
  MASK_REFUSED(trained, scale = huge * 2.0f, BPFREE_ERR_ARG);
  MASK_REFUSED(frozen, scale = huge * 2.0f - huge * 2.0f, BPFREE_ERR_ARG);
}

static void settings(void)
{
  REFUSED(trainer.model = NULL, BPFREE_ERR_ARG);
  REFUSED(trainer.estimator = NULL, BPFREE_ERR_ARG);
  const bpfree_link without_update = {NULL, &huge}, without_settings = {&bpfree_upd_sgd, NULL};
  REFUSED(trainer.links = NULL, BPFREE_ERR_ARG);
  REFUSED(trainer.links = &without_update, BPFREE_ERR_ARG);
  REFUSED(trainer.links = &without_settings, BPFREE_ERR_ARG);
  REFUSED(trainer.n_links = 0, BPFREE_ERR_ARG);
  windows();
  stale();
  cycles();
  REFUSED(trainer.clip = -1.0f, BPFREE_ERR_ARG);
  REFUSED(trainer.clip = huge * 2.0f, BPFREE_ERR_ARG);
  REFUSED(trainer.scale = 0.0f, BPFREE_ERR_ARG);
  REFUSED(trainer.scale = -1.0f, BPFREE_ERR_ARG);
  REFUSED(trainer.scale = huge * 2.0f, BPFREE_ERR_ARG);
  REFUSED(trainer.loss = NULL, BPFREE_ERR_ARG);
  REFUSED(trainer.batch = 0, BPFREE_ERR_ARG);
  REFUSED(trainer.n_queries = 0, BPFREE_ERR_ARG);
  REFUSED(trainer.n_queries = 4097, BPFREE_ERR_ARG);
  REFUSED(trainer.two_sided = 2, BPFREE_ERR_ARG);
  REFUSED(trainer.weighted = 2, BPFREE_ERR_ARG);
  REFUSED(trainer.mu = 0.0f, BPFREE_ERR_ARG);
  REFUSED(trainer.mu = -1.0f, BPFREE_ERR_ARG);
  REFUSED(trainer.mu = huge * 2.0f, BPFREE_ERR_ARG);
  REFUSED(trainer.mu = huge * 2.0f - huge * 2.0f, BPFREE_ERR_ARG);
  REFUSED(context.theta = NULL, BPFREE_ERR_ARG);
  REFUSED(context.theta_floats--, BPFREE_ERR_SIZE);
  REFUSED(context.theta_floats = 0, BPFREE_ERR_SIZE);
  REFUSED(context.x_floats--, BPFREE_ERR_SIZE);
  REFUSED(context.arena_floats--, BPFREE_ERR_SIZE);
  REFUSED(context.coefficient_floats--, BPFREE_ERR_SIZE);
  REFUSED(context.arena_floats++, BPFREE_OK);
  ON(bpfree_est_rge_gaussian, context.work_floats--, BPFREE_ERR_SIZE);
  ON(bpfree_est_rge, trainer.n_queries++, BPFREE_ERR_SIZE); /* a record of an earlier trainer */
  REFUSED(context.theta++, BPFREE_ERR_ALIGN);
  REFUSED(context.x++, BPFREE_ERR_ALIGN);
  REFUSED(context.arena++, BPFREE_ERR_ALIGN);
  REFUSED(context.coefficients = NULL, BPFREE_ERR_ARG);
  REFUSED(trainer.seed = 0, BPFREE_OK);
  REFUSED(trainer.n_queries = 4096; changed.context.coefficient_floats = 4096, BPFREE_OK);
  CHECK_EQUAL(bpfree_train_init(NULL, NULL), BPFREE_ERR_ARG);
}

/* A sample or loss function that goes wrong once in a step. */
static struct trouble {
  int status;         /* the sample function returns this at sample `at` */
  uint32_t label;     /* or gives this label, if not 0 */
  float weight;       /* or this weight, if not 0 */
  float value;        /* or the loss is this at call `at`, if not 0 */
  uint32_t at, calls; /* of the loss so far */
  bpfree_rows *rows;
  bpfree_loss loss;
} trouble;

static int troubled_sample(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y)
{
  (void)user;
  const int status = bpfree_sample_row(trouble.rows, step, i, x, y);
  if (i != trouble.at) return status;
  if (trouble.label) y->label = trouble.label;
  if (trouble.weight != 0.0f) y->weight = trouble.weight;
  return trouble.status;
}

static void troubled_loss(const float *y, uint32_t outputs, const uint32_t *labels, const float *targets, uint32_t n,
                          float *values)
{
  trouble.loss(y, outputs, labels, targets, n, values);
  if (trouble.calls++ == trouble.at && trouble.value != 0.0f) values[0] = trouble.value;
}

/* The second step fails with this status, theta and step stay, and after the
 * trouble the step gives what it would have given. */
static void step_fails(const golden_run *g, int status, uint32_t label, float weight, float value, uint32_t at,
                       int want)
{
  run r;
  CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
  CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_OK);
  const uint32_t n = g->network->model.n_theta;
  float *before = floats(n);
  memcpy(before, r.context.theta, n * sizeof(float));
  const struct trouble now = {status, label, weight, value, at, 0, &r.rows, r.trainer.loss};
  trouble = now;
  r.trainer.sample = troubled_sample;
  r.trainer.loss = troubled_loss;
  r.trainer.weighted = weight != 0.0f;
  CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), want);
  CHECK_EQUAL(r.context.step, 1);
  CHECK_FLOATS(r.context.theta, before, n);
  trouble.at = 0xffffffffu;
  CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_OK);
  CHECK_FLOATS(r.context.coefficients, g->coefficients + g->n_coefficients, g->n_coefficients);
  free(before);
  run_end(&r);
}

/* Coordinate descent: one or two trials a coordinate. */
static int descends(const golden_run *g)
{
  return bpfree_registry_estimator(g->estimator) == &bpfree_est_coordinate_descent;
}

/* Are the layers looked into? */
static int looks_in(const golden_run *g)
{
  return bpfree_registry_estimator(g->estimator) == &bpfree_est_unit_wise;
}

/* Calls of the loss in this step; where the layers are looked into it depends on what is found there.
 * At least so many for coordinate descent. */
static uint32_t losses_of_step(const golden_run *g, uint32_t step)
{
  if (looks_in(g)) {
    run r;
    CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
    while (r.context.step < step) CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_OK);
    const struct trouble none = {0, 0, 0.0f, 0.0f, 0, 0, &r.rows, r.trainer.loss};
    trouble = none;
    r.trainer.loss = troubled_loss;
    CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_OK);
    run_end(&r);
    CHECK(trouble.calls > g->batch);
    return trouble.calls;
  }
  return g->batch * (g->two_sided && !descends(g) ? 2 * g->n_coefficients : 1 + g->n_coefficients);
}

static void steps(const golden_run *g)
{
  const uint32_t outputs = g->network->model.tensors[g->network->model.output].size;
  const uint32_t calls = losses_of_step(g, 1);
  const float inf = huge * 2.0f, values[] = {inf, -inf, inf - inf}, weights[] = {-1.0f, inf, inf - inf};
  for (uint32_t i = 0; i < g->batch; i++) {
    step_fails(g, -7, 0, 0.0f, 0.0f, i, BPFREE_ERR_CALLBACK);
    step_fails(g, 0, outputs, 0.0f, 0.0f, i, BPFREE_ERR_CALLBACK);
    for (uint32_t k = 0; k < COUNT(weights); k++) step_fails(g, 0, 0, weights[k], 0.0f, i, BPFREE_ERR_CALLBACK);
  }
  for (uint32_t call = 0; call < calls; call++)
    for (uint32_t k = 0; k < COUNT(values); k++) step_fails(g, 0, 0, 0.0f, values[k], call, BPFREE_ERR_NUMERIC);
  run r;
  CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
  r.trainer.sample = NULL;
  CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_ERR_ARG);
  if (looks_in(g)) {
    r.trainer.sample = bpfree_sample_row;
    r.trainer.settings = NULL;
    CHECK_EQUAL(bpfree_step(&r.trainer, &r.context), BPFREE_ERR_ARG);
  }
  run_end(&r);
}

/* A record with one number that is not finite, wherever it is, is not applied. */
static void records(const golden_run *g)
{
  run r;
  CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
  for (uint32_t k = 0; k < 2 * g->n_coefficients; k++) {
    float *record = floats(g->n_coefficients);
    memcpy(record, g->coefficients, g->n_coefficients * sizeof(float));
    record[k / 2] = k % 2 ? huge * 2.0f : huge * 2.0f - huge * 2.0f;
    CHECK_EQUAL(bpfree_apply(&r.trainer, &r.context, record), BPFREE_ERR_NUMERIC);
    CHECK_EQUAL(r.context.step, 0);
    CHECK_FLOATS(r.context.theta, g->network->theta, g->network->model.n_theta);
    free(record);
  }
  run_end(&r);
}

/* A loss that looks at theta whenever it is called: nothing is moved, or one element by a CGE, or what
 * coordinate descent keeps. */
static struct {
  bpfree_loss loss;
  const float *theta, *want;
  uint32_t n, calls, may_move;
} watched;

static void watching_loss(const float *y, uint32_t outputs, const uint32_t *labels, const float *targets, uint32_t n,
                          float *values)
{
  uint32_t moved = 0;
  for (uint32_t k = 0; k < watched.n; k++) moved += memcmp(&watched.theta[k], &watched.want[k], sizeof(float)) != 0;
  CHECK(moved <= watched.may_move);
  watched.calls++;
  watched.loss(y, outputs, labels, targets, n, values);
}

static void probes_read_only(const golden_run *g)
{
  run r;
  CHECK_EQUAL(run_start(&r, g), BPFREE_OK);
  watched.loss = r.trainer.loss;
  watched.theta = r.context.theta;
  watched.want = g->network->theta;
  watched.n = g->network->model.n_theta;
  watched.calls = 0;
  watched.may_move = r.trainer.estimator == &bpfree_est_cge || r.trainer.estimator == &bpfree_est_hybrid;
  if (descends(g)) watched.may_move = g->n_coefficients;
  r.trainer.loss = watching_loss;
  CHECK_EQUAL(r.trainer.estimator->estimate(&r.trainer, &r.context), BPFREE_OK);
  CHECK_FLOATS(r.context.theta, g->network->theta, watched.n);
  CHECK_FLOATS(r.context.coefficients, g->coefficients, g->n_coefficients);
  const uint32_t calls = watched.calls;
  const uint32_t expected = losses_of_step(g, 0);
  CHECK(calls == expected || (descends(g) && calls > expected));
  run_end(&r);
}

int main(void)
{
  settings();
  estimators();
  masks();
  for (uint32_t k = 0; k < COUNT(golden_runs); k++) {
    const int before = check_failures;
    steps(&golden_runs[k]);
    records(&golden_runs[k]);
    probes_read_only(&golden_runs[k]);
    if (check_failures > before) printf("in the run \"%s\"\n", golden_runs[k].name);
  }
  return CHECK_RESULT();
}
