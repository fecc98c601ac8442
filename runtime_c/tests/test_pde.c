/* SPDX-License-Identifier: MIT */
/* Jets have the bits of the reference; rules are exact on polynomials they should
 * be exact on; residuals of known solutions are 0; what cannot work is refused. */
#define _POSIX_C_SOURCE 200112L
#include <math.h>
#include "run.h"
#include "pde.gen.h"

static uint32_t features_of(const bpfree_model *model) { return model->tensors[model->input].size; }

static uint32_t outputs_of(const bpfree_model *model) { return model->tensors[model->output].size; }

static uint32_t count_of(const bpfree_streams *streams) { return 1 + streams->n_first + streams->n_forms; }

/* Every stream of every point, in a work as large as the header says and not larger. */
static void jets_have_the_bits_of_the_reference(const golden_jet *g)
{
  const bpfree_model *model = &g->network->model;
  const uint32_t count = count_of(&g->streams), outputs = outputs_of(model);
  float *work = floats(bpfree_jets_size(model, &g->streams, 1));
  const float *want = g->jet;
  for (uint32_t p = 0; p < GOLDEN_POINTS; p++) {
    const float *x = g->network->batch.x + p * features_of(model);
    const bpfree_jets jets = {model, g->through, &g->streams, g->network->theta, x, work, 1};
    bpfree_jets_run(&jets);
    for (uint32_t s = 0; s < count; s++, want += outputs) CHECK_FLOATS(bpfree_jets_output(&jets, s), want, outputs);
  }
  free(work);
}

/* A network of one node that is a polynomial, so that derivatives are known:
 * u = 0.5 + sum_i (i + 1) (x_i^2 + x_i) + 2 x_0 x_1. */
#define DIM 5

static void polynomial(const bpfree_pass *pass, const bpfree_node *node)
{
  (void)node;
  const float *x = pass->x;
  for (uint32_t s = 0; s < pass->n; s++) {
    float u = 0.5f + 2.0f * x[s] * x[pass->n + s];
    for (uint32_t i = 0; i < DIM; i++) u += ((float)i + 1.0f) * (x[i * pass->n + s] + 1.0f) * x[i * pass->n + s];
    pass->arena[s] = u;
  }
}

static const uint32_t read[] = {0};
static const bpfree_node nodes[] = {{polynomial, NULL, read, 1, 1, 0, 0, 0, 1}};
static const bpfree_tensor tensors[] = {{DIM, 0, 0, DIM, DIM, BPFREE_FLOAT32}, {1, 0, 0, 1, 1, BPFREE_FLOAT32}};
static const bpfree_model model = {nodes, tensors, NULL, NULL, 1, 2, 0, 0, 0, 0, 1, 1, 0, {0, 0}};
static const float none[1];
static const bpfree_form laplacian[] = {{NULL, 0, DIM - 1}, {NULL, 1, 2}};
static const bpfree_streams space = {NULL, laplacian, DIM, 2};

/* A residual that hands its jet out: r = row `user` of it. */
static int row_of_jet(const void *user, const bpfree_field *u, float *r)
{
  for (uint32_t s = 0; s < u->n; s++) r[s] = u->jet[*(const uint32_t *)user * u->n + s];
  return 0;
}

static void near(float got, double want, double tolerance, const char *what, uint32_t row)
{
  if (fabs((double)got - want) <= tolerance) return;
  check_failures++;
  printf("%s, row %u: got %g, want %g\n", what, (unsigned)row, (double)got, want);
}

static int residuals(const bpfree_pde *pde, const float *points, uint32_t n, uint32_t tile, float *r, float *loss)
{
  const uint32_t size = bpfree_pde_size(pde, tile);
  float *work = floats(size);
  const int status = bpfree_pde_residuals(pde, none, points, n, tile, work, size, r, loss);
  free(work);
  return status;
}

/* All streams of the polynomial at two points; every tile gives the same bits. */
static void rule_is_exact(const char *what, const bpfree_rule *rule, const float *settings, double value,
                          double tolerance)
{
  const float points[] = {0.25f, -0.5f, 1.0f, 0.75f, -0.125f, -1.0f, 0.5f, 0.25f, 0.0f, 0.625f};
  for (uint32_t row = 0; row < count_of(&space); row++) {
    const bpfree_pde pde = {&model, NULL, &space, rule, settings, row_of_jet, &row};
    float r[2], one[2], loss, same;
    CHECK_EQUAL(residuals(&pde, points, 2, 1, r, &loss), BPFREE_OK);
    CHECK_EQUAL(residuals(&pde, points, 2, 2, one, &same), BPFREE_OK);
    CHECK_FLOATS(one, r, 2);
    CHECK_EQUAL(residuals(&pde, points, 2, 7, NULL, &same), BPFREE_OK);
    CHECK_FLOATS(&same, &loss, 1);
    for (uint32_t p = 0; p < 2; p++) {
      const float *x = points + p * DIM;
      double want = 0.5 + 2.0 * (double)x[0] * (double)x[1] + value;
      for (uint32_t i = 0; i < DIM; i++) want += (i + 1.0) * (double)(x[i] * x[i] + x[i]);
      if (row >= 1 && row <= DIM) want = row * (2.0 * (double)x[row - 1] + 1.0);
      if (row == 1 || row == 2) want += 2.0 * (double)x[2 - row];
      if (row == 1 + DIM) want = 2.0 * (1 + 2 + 3 + 4);
      if (row == 2 + DIM) want = 2.0 * (2 + 3);
      near(r[p], want, tolerance, what, row);
    }
  }
}

static void rules(void)
{
  const float second[] = {2.0f, 0.25f, 0.125f}, fourth[] = {4.0f, 0.25f, 0.125f};
  rule_is_exact("order 2", &bpfree_rule_differences, second, 0.0, 0.0);
  rule_is_exact("order 4", &bpfree_rule_differences, fourth, 0.0, 2e-5);
  /* smoothed, the value is that of u plus sigma^2 / 2 times all second derivatives */
  const double added = 0.25 * (1 + 2 + 3 + 4 + 5);
  for (uint32_t family = 0; family < 2; family++)
    for (uint32_t smoothed = 0; smoothed < 2; smoothed++) {
      const float settings[] = {(float)family, 0.5f, (float)smoothed};
      rule_is_exact(family ? "Genz-Keister" : "Gauss-Hermite", &bpfree_rule_sparse_grid, settings,
                    smoothed ? added : 0.0, 2e-4);
    }
}

/* r of one point, from a jet that is given. */
static float residual_at(bpfree_residual residual, const void *user, uint32_t features, const float *x,
                         const float *jet)
{
  const bpfree_form form = {NULL, 0, features - 1};
  const bpfree_streams streams = {NULL, &form, features, 1};
  const bpfree_field u = {x, jet, &streams, features, 1, 1};
  float r;
  CHECK_EQUAL(residual(user, &u, &r), BPFREE_OK);
  return r;
}

static void residuals_of_known_solutions(void)
{
  /* u = sum x + end - t is f = 1; numbers that floats hold exactly */
  const float x[] = {0.5f, -0.25f, 0.125f, 2.0f, 0.75f}, constant[] = {1, 0, 0, 0, 0, 0, 0};
  const bpfree_hjb linear = {0.25f, -2.0f, 1.0f};
  float r = residual_at(bpfree_residual_hjb_lin, &linear, 5, x, constant);
  near(r, 0.0, 0.0, "hjb_lin", 0);
  /* f = a + b t + c x_0 of the quadratic equation: u = log((1 + |x|^2) / 2) + (end - t) f, by hand */
  const double a = 0.5, b = -1.5, c = 0.25, t = 0.75, end = 2.0, weight = 0.5, left = end - t;
  const double norm = 0.25 + 0.0625 + 0.015625 + 4.0, d = 4.0, f = a + b * t + c * 0.5;
  double square = 0.0;
  for (uint32_t i = 0; i < 4; i++) {
    const double by_i = 2.0 * (double)x[i] / (1.0 + norm) + (i == 0 ? left * c : 0.0);
    square += by_i * by_i;
  }
  const double bend = 2.0 * d / (1.0 + norm) - 4.0 * norm / ((1.0 + norm) * (1.0 + norm));
  const bpfree_hjb quadratic = {0.5f, 0.125f, 2.0f};
  const float jet[] = {(float)f, 0.25f, 0.0f, 0.0f, 0.0f, -1.5f, 0.0f};
  r = residual_at(bpfree_residual_hjb_lqg, &quadratic, 5, x, jet);
  near(r, -f + left * b + bend - weight * square - 0.125, 1e-6, "hjb_lqg", 0);
  /* u = x^2 exp(k t) solves the equation of Black and Scholes for k = -(volatility^2 + rate) */
  const bpfree_black_scholes market = {0.5f, 0.5f};
  const float at[] = {0.5f, 0.0f}, price[] = {0.25f, 1.0f, -0.75f * 0.25f, 2.0f};
  r = residual_at(bpfree_residual_black_scholes, &market, 2, at, price);
  near(r, 0.0, 0.0, "black_scholes", 0);
  /* d u_t = 1 more, and each of the others changes it too */
  const float changes[] = {-0.5f, 0.25f, 1.0f, 0.03125f};
  for (uint32_t k = 0; k < 4; k++) {
    float moved[4];
    memcpy(moved, price, sizeof moved);
    moved[k] += 1.0f;
    r = residual_at(bpfree_residual_black_scholes, &market, 2, at, moved);
    near(r, (double)changes[k], 0.0, "black_scholes", k + 1);
  }
}

/* A residual refuses streams that it does not read, whatever else is in them. */
static void residuals_refuse(void)
{
  const bpfree_hjb hjb = {1.0f, 0.0f, 1.0f};
  const bpfree_form good = {NULL, 0, 4}, late = {NULL, 1, 3}, shorter = {NULL, 0, 3};
  const bpfree_term term = {0, 0, 1.0f};
  const bpfree_form table = {&term, 0, 1}, two[] = {good, good};
  const bpfree_streams bad[] = {{NULL, &late, 5, 1}, {NULL, &shorter, 5, 1}, {NULL, &table, 5, 1},
                                {NULL, two, 5, 2},   {NULL, &good, 4, 1},    {none, &good, 5, 1}};
  const bpfree_streams right = {NULL, &good, 5, 1};
  float x[5] = {0}, jet[16] = {0}, r[1];
  const bpfree_residual all[] = {bpfree_residual_hjb_lin, bpfree_residual_hjb_lqg, bpfree_residual_black_scholes};
  for (uint32_t k = 0; k < COUNT(all); k++) {
    for (uint32_t b = 0; b < COUNT(bad); b++) {
      const bpfree_field u = {x, jet, &bad[b], 5, 1, 1};
      CHECK_EQUAL(all[k](&hjb, &u, r), BPFREE_ERR_ARG);
    }
    const bpfree_field several = {x, jet, &right, 5, 2, 1}, ok = {x, jet, &right, 5, 1, 1};
    CHECK_EQUAL(all[k](&hjb, &several, r), BPFREE_ERR_ARG);
    CHECK_EQUAL(all[k](NULL, &ok, r), BPFREE_ERR_ARG);
    CHECK_EQUAL(all[k](&hjb, &ok, r), k == 2 ? BPFREE_ERR_ARG : BPFREE_OK); /* Black-Scholes has one x */
  }
}

static void streams(void)
{
  const bpfree_term inside = {1, 0, 1.0f}, a = {2, 0, 1.0f}, b = {0, 2, 1.0f};
  const struct {
    bpfree_form form;
    int status;
  } forms[] = {{{NULL, 0, 2}, BPFREE_OK},        {{NULL, 1, 1}, BPFREE_OK},      {{&inside, 0, 1}, BPFREE_OK},
               {{NULL, 0, 0}, BPFREE_ERR_ARG},   {{NULL, 0, 3}, BPFREE_ERR_ARG}, {{NULL, 2, 1}, BPFREE_ERR_ARG},
               {{NULL, 1, UINT32_MAX}, BPFREE_ERR_ARG}, {{NULL, UINT32_MAX, 2}, BPFREE_ERR_ARG},
               {{&inside, 0, 0}, BPFREE_ERR_ARG}, {{&a, 0, 1}, BPFREE_ERR_ARG},   {{&b, 0, 1}, BPFREE_ERR_ARG}};
  for (uint32_t k = 0; k < COUNT(forms); k++) {
    const bpfree_streams own = {NULL, &forms[k].form, 2, 1};
    CHECK_EQUAL(bpfree_streams_check(&own, 2), forms[k].status);
  }
  const bpfree_streams empty = {NULL, NULL, 0, 0}, missing = {NULL, NULL, 1, 1}, many = {NULL, NULL, 3, 0};
  const bpfree_streams directions = {none, NULL, 3, 0};
  CHECK_EQUAL(bpfree_streams_check(&empty, 2), BPFREE_OK);
  CHECK_EQUAL(bpfree_streams_check(&missing, 2), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_streams_check(&many, 2), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_streams_check(&directions, 2), BPFREE_OK);
  CHECK_EQUAL(bpfree_streams_check(NULL, 2), BPFREE_ERR_ARG);
}

static int fails(const void *user, const bpfree_field *u, float *r)
{
  (void)u;
  (void)r;
  return *(const int *)user;
}

/* bpfree_pde_check and bpfree_pde_residuals must refuse a pde after one `change` of it. */
#define REFUSED(change)                                                                              \
  do {                                                                                               \
    bpfree_pde changed = pde;                                                                        \
    changed.change;                                                                                  \
    CHECK_EQUAL(bpfree_pde_check(&changed), BPFREE_ERR_ARG);                                         \
    CHECK_EQUAL(bpfree_pde_residuals(&changed, none, x, 1, 1, work, size, r, &loss), BPFREE_ERR_ARG); \
  } while (0)

static void settings(void)
{
  static const uint32_t row = 0;
  const float huge = 0x1p+127f, order2[] = {2.0f, 0.5f, 0.5f}, grid[] = {0.0f, 0.5f, 0.0f};
  const float x[DIM] = {0};
  const bpfree_pde pde = {&model, NULL, &space, &bpfree_rule_differences, order2, row_of_jet, &row};
  const uint32_t size = bpfree_pde_size(&pde, 1);
  float *work = floats(size), r[1], loss;
  CHECK_EQUAL(bpfree_pde_check(&pde), BPFREE_OK);
  CHECK_EQUAL(bpfree_pde_check(NULL), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_pde_size(&pde, 0), 0);
  CHECK_EQUAL(bpfree_pde_size(&pde, UINT32_MAX), 0);
  REFUSED(model = NULL);
  REFUSED(rule = NULL);
  REFUSED(residual = NULL);
  REFUSED(streams = NULL);
  REFUSED(settings = NULL);
  static const bpfree_jet no_jet[1] = {NULL};
  REFUSED(rule = &bpfree_rule_taylor); /* without a way through each node */
  REFUSED(rule = &bpfree_rule_taylor; changed.through = no_jet);
  const bpfree_term term = {0, 0, 1.0f};
  const bpfree_form table = {&term, 0, 1};
  const bpfree_streams own = {NULL, &table, DIM, 1}, along = {none, laplacian, DIM, 2};
  REFUSED(streams = &own);
  REFUSED(streams = &along);
  REFUSED(rule = &bpfree_rule_sparse_grid; changed.settings = grid; changed.streams = &own);
  const float bad[][3] = {{3.0f, 0.5f, 0.5f}, {2.0f, 0.0f, 0.5f}, {2.0f, 0.5f, -1.0f}, {2.0f, huge, 0.5f},
                          {2.0f, huge * 2.0f - huge * 2.0f, 0.5f}};
  for (uint32_t k = 0; k < COUNT(bad); k++) REFUSED(settings = bad[k]);
  const float worse[][3] = {{2.0f, 0.5f, 0.0f}, {0.0f, 0.0f, 0.0f}, {0.0f, 0.5f, 2.0f}, {1.0f, -0.5f, 0.0f}};
  for (uint32_t k = 0; k < COUNT(worse); k++) REFUSED(settings = worse[k]; changed.rule = &bpfree_rule_sparse_grid);
  REFUSED(settings = NULL; changed.rule = &bpfree_rule_sparse_grid);

  CHECK_EQUAL(bpfree_pde_residuals(&pde, NULL, x, 1, 1, work, size, r, &loss), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_pde_residuals(&pde, none, NULL, 1, 1, work, size, r, &loss), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_pde_residuals(&pde, none, x, 1, 1, work, size, r, NULL), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_pde_residuals(&pde, none, x, 1, 0, work, size, r, &loss), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_pde_residuals(&pde, none, x, 1, 1, work, size - 1, r, &loss), BPFREE_ERR_SIZE);
  CHECK_EQUAL(bpfree_pde_residuals(&pde, none, x, 1, 1, NULL, size, r, &loss), BPFREE_ERR_ALIGN);
  CHECK_EQUAL(bpfree_pde_residuals(&pde, none, x, 1, 1, work + 1, size, r, &loss), BPFREE_ERR_ALIGN);
  CHECK_EQUAL(bpfree_pde_residuals(&pde, none, x, 0, 1, work, size, r, &loss), BPFREE_OK);
  CHECK(loss == 0.0f);
  const int status = -77;
  const bpfree_pde failing = {&model, NULL, &space, &bpfree_rule_differences, order2, fails, &status};
  CHECK_EQUAL(bpfree_pde_residuals(&failing, none, x, 1, 1, work, size, r, &loss), -77);
  free(work);
}

/* Taylor through bpfree_pde_residuals is the jet, and needs no more room than it says. */
static void taylor(const golden_jet *g)
{
  const bpfree_model *own = &g->network->model;
  const uint32_t count = count_of(&g->streams), outputs = outputs_of(own);
  for (uint32_t row = 0; row < count; row++) {
    const uint32_t number = row * outputs; /* the first output */
    const bpfree_pde pde = {own, g->through, &g->streams, &bpfree_rule_taylor, NULL, row_of_jet, &number};
    const uint32_t size = bpfree_pde_size(&pde, 1);
    float *work = floats(size), r[GOLDEN_POINTS], loss, sum = 0.0f;
    CHECK_EQUAL(bpfree_pde_residuals(&pde, g->network->theta, g->network->batch.x, GOLDEN_POINTS, 1, work, size, r,
                                     &loss), BPFREE_OK);
    for (uint32_t p = 0; p < GOLDEN_POINTS; p++) {
      CHECK_FLOATS(&r[p], &g->jet[(p * count + row) * outputs], 1);
      sum += r[p] * r[p];
    }
    CHECK_FLOATS(&loss, &sum, 1);
    free(work);
  }
}

/* More floats than 32 bits count are no size. */
static void sizes(void)
{
  bpfree_model large = golden_jets[0].network->model;
  const bpfree_streams *own = &golden_jets[0].streams;
  CHECK(bpfree_jets_size(&large, own, 1) > 0);
  large.arena_sample = 1u << 30;
  CHECK_EQUAL(bpfree_jets_size(&large, own, 1), 0);
  const bpfree_pde pde = {&large, golden_jets[0].through, own, &bpfree_rule_taylor, NULL, row_of_jet, NULL};
  CHECK_EQUAL(bpfree_pde_size(&pde, 1), 0);
}

int main(void)
{
  for (uint32_t k = 0; k < COUNT(golden_jets); k++) {
    jets_have_the_bits_of_the_reference(&golden_jets[k]);
    taylor(&golden_jets[k]);
  }
  rules();
  residuals_of_known_solutions();
  residuals_refuse();
  streams();
  settings();
  sizes();
  return CHECK_RESULT();
}
