/* SPDX-License-Identifier: MIT */
/* Whole batches: every instruction set gives the bits of the scalar build, for
 * tiles of one to five registers; buffers and arguments that do not fit are refused. */
#define _POSIX_C_SOURCE 200112L
#include "run.h"

#define MOST_NODES 16
#define N_PROBES 14

/* The network with the kernels of an instruction set. */
static bpfree_model model_for(const golden_network *network, uint32_t isa, bpfree_node *nodes)
{
  bpfree_model model = network->model;
  CHECK(model.n_nodes <= MOST_NODES);
  for (uint32_t k = 0; k < model.n_nodes; k++) {
    nodes[k] = model.nodes[k];
    nodes[k].kernel = bpfree_registry_op(isa, network->ops[k]);
  }
  model.nodes = nodes;
  return model;
}

/* Every direction, coordinates in all kinds of neighbourhood, and ranges that begin and end inside slices and blocks. */
static void make_probes(const bpfree_model *model, struct bpfree_probe *probes)
{
  const uint32_t signs = bpfree_address(BPFREE_DOMAIN_PROBE, 3, 0), normal = bpfree_address(BPFREE_DOMAIN_GAUSSIAN, 3, 0);
  const uint32_t n = model->n_theta, last = model->n_theta - 1, half = n / 2;
  const struct bpfree_probe all[N_PROBES] = {{1, 2, signs, 0.0f, 0, 0, BPFREE_RADEMACHER, 0},
                                             {1, 2, signs, 0.01f, 0, n, BPFREE_RADEMACHER, 0},
                                             {1, 2, 0, 0.5f, 0, 0, BPFREE_COORDINATE, last},
                                             {1, 2, 0, -0.5f, 0, 0, BPFREE_COORDINATE, last},
                                             {1, 2, 0, 0.5f, 0, 0, BPFREE_COORDINATE, 0},
                                             {1, 2, normal, 0.01f, 0, n, BPFREE_GAUSSIAN, 0},
                                             {1, 2, 0, 0.5f, 0, 0, BPFREE_COORDINATE, 1},
                                             {1, 2, 0, 0.0f, 0, 0, BPFREE_COORDINATE, 0},
                                             {1, 2, 0, -0.5f, 0, 0, BPFREE_COORDINATE, 2},
                                             {1, 2, signs, 0.01f, 5, half, BPFREE_RADEMACHER, 0},
                                             {1, 2, signs, -0.01f, half - 3, half, BPFREE_HADAMARD, 6},
                                             {1, 2, normal, 0.01f, half - 5, half, BPFREE_GAUSSIAN, 0},
                                             {1, 2, signs, 0.01f, last, 1, BPFREE_RADEMACHER, 0},
                                             {1, 2, normal, -0.01f, n - 41, 41, BPFREE_SPHERE, 0}};
  memcpy(probes, all, sizeof all);
}

static int losses_of(const golden_network *network, uint32_t isa, uint32_t n, uint32_t tile, float *y, float *losses)
{
  bpfree_node nodes[MOST_NODES];
  const bpfree_model model = model_for(network, isa, nodes);
  struct bpfree_probe probes[N_PROBES];
  make_probes(&model, probes);
  bpfree_batch batch = network->batch;
  batch.n = n;
  const uint64_t bytes = bpfree_workspace_size(&model, NULL, n, tile);
  float *workspace = room(bytes);
  int status = bpfree_predict_batch(&model, network->theta, &batch, tile, workspace, bytes, y);
  if (!status)
    status = bpfree_evaluate(&model, NULL, network->theta, &batch, bpfree_registry_loss(isa, network->loss), probes,
                             N_PROBES, tile, workspace, bytes, losses);
  free(workspace);
  return status;
}

static void same_bits(const golden_network *network)
{
  const uint32_t outputs = network->model.tensors[network->model.output].size;
  for (uint32_t n = 1; n <= network->batch.n; n++) {
    float *y = floats(n * outputs), *want_y = floats(n * outputs);
    float *losses = floats(N_PROBES * n), *want = floats(N_PROBES * n);
    CHECK_EQUAL(losses_of(network, SCALAR, n, 1, want_y, want), BPFREE_OK);
    for (uint32_t isa = 0; bpfree_isa_name(isa); isa++) {
      if (!bpfree_isa_supported(isa)) continue;
      const uint32_t lanes = bpfree_isa_lanes(isa), widest = lanes == 1 ? 1 : 5 * lanes;
      for (uint32_t tile = lanes; tile <= widest; tile += lanes) {
        CHECK_EQUAL(losses_of(network, isa, n, tile, y, losses), BPFREE_OK);
        const int before = check_failures;
        CHECK_FLOATS(y, want_y, n * outputs);
        CHECK_FLOATS(losses, want, N_PROBES * n);
        if (check_failures > before)
          printf("of \"%s\", %s, %u samples, tile %u\n", network->name, bpfree_isa_name(isa), (unsigned)n,
                 (unsigned)tile);
      }
    }
    free(y);
    free(want_y);
    free(losses);
    free(want);
  }
}

/* Many probes at once give the losses of each one alone, at a copy of theta made for it. */
static void one_by_one(const golden_network *network)
{
  const bpfree_model *model = &network->model;
  const uint32_t outputs = model->tensors[model->output].size;
  const uint64_t bytes = bpfree_workspace_size(model, NULL, network->batch.n, 1);
  float *y = floats(network->batch.n * outputs), *all = floats(N_PROBES * network->batch.n);
  float *theta = floats(model->n_theta), *alone = floats(network->batch.n), *workspace = room(bytes);
  struct bpfree_probe probes[N_PROBES];
  make_probes(model, probes);
  CHECK_EQUAL(losses_of(network, SCALAR, network->batch.n, 1, y, all), BPFREE_OK);
  for (uint32_t k = 0; k < N_PROBES; k++) {
    CHECK_EQUAL(bpfree_perturb(model, network->theta, &probes[k], theta), BPFREE_OK);
    if (probes[k].mu == 0.0f) memcpy(theta, network->theta, model->n_theta * sizeof(float));
    const struct bpfree_probe none = {0, 0, 0, 0.0f, 0, 0, 0, 0};
    CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, &network->batch, bpfree_registry_loss(SCALAR, network->loss), &none, 1,
                                1, workspace, bytes, alone),
                BPFREE_OK);
    CHECK_FLOATS(all + k * network->batch.n, alone, network->batch.n);
  }
  free(y);
  free(all);
  free(theta);
  free(alone);
  free(workspace);
}

/* Kernels that count themselves, by node. */
static bpfree_kernel real[MOST_NODES];
static const bpfree_node *counted;
static uint32_t runs[MOST_NODES];

static void counting(const bpfree_pass *pass, const bpfree_node *node)
{
  const size_t k = (size_t)(node - counted);
  runs[k]++;
  real[k](pass, node);
}

/* Whatever is kept, of however many tiles: the same bits. With everything kept
 * a probe of the last node's slices runs that node alone, once a tile. */
static void keeps(const golden_network *network)
{
  bpfree_node nodes[MOST_NODES];
  bpfree_model model = model_for(network, SCALAR, nodes);
  const uint32_t n = network->batch.n, sets = 1u << model.n_nodes, last = model.n_nodes - 1;
  const bpfree_loss loss = bpfree_registry_loss(SCALAR, network->loss);
  struct bpfree_probe probes[N_PROBES];
  uint32_t places[MOST_NODES + 1];
  float *want = floats(N_PROBES * n), *losses = floats(N_PROBES * n);
  float *y = floats(n * model.tensors[model.output].size);
  make_probes(&model, probes);
  CHECK(model.n_tensors <= COUNT(places));
  CHECK_EQUAL(losses_of(network, SCALAR, n, 1, y, want), BPFREE_OK);
  for (uint32_t set = 0; set < sets; set++)
    for (uint32_t tiles = 1; tiles <= n + 1; tiles += 1 + n / 3) {
      bpfree_reuse reuse = {places, 0, tiles};
      for (uint32_t t = 0; t < model.n_tensors; t++) places[t] = UINT32_MAX;
      for (uint32_t k = 0; k < model.n_nodes; k++) {
        if (!(set >> k & 1)) continue;
        places[nodes[k].output] = reuse.floats;
        reuse.floats += model.tensors[nodes[k].output].size;
      }
      const uint64_t bytes = bpfree_workspace_size(&model, &reuse, n, 1);
      float *workspace = room(bytes);
      CHECK_EQUAL(bpfree_evaluate(&model, &reuse, network->theta, &network->batch, loss, probes, N_PROBES, 1, workspace,
                                  bytes, losses),
                  BPFREE_OK);
      CHECK_FLOATS(losses, want, N_PROBES * n);
      CHECK_EQUAL(bpfree_evaluate(&model, &reuse, network->theta, &network->batch, loss, probes, N_PROBES, 1, workspace,
                                  bytes - 1, losses),
                  BPFREE_ERR_SIZE);
      if (set == sets - 1 && nodes[last].n_slices) {
        const uint32_t first = model.slices[nodes[last].first_slice].offset;
        const struct bpfree_probe end = {1, 2, 0, 0.5f, first, model.n_theta - first, BPFREE_RADEMACHER, 0};
        counted = nodes;
        memset(runs, 0, sizeof runs);
        for (uint32_t k = 0; k < model.n_nodes; k++) {
          real[k] = nodes[k].kernel;
          nodes[k].kernel = counting;
        }
        CHECK_EQUAL(
            bpfree_evaluate(&model, &reuse, network->theta, &network->batch, loss, &end, 1, 1, workspace, bytes, losses),
            BPFREE_OK);
        for (uint32_t k = 0; k < model.n_nodes; k++) {
          CHECK_EQUAL(runs[k], k == last ? 2 * n : n);
          nodes[k].kernel = real[k];
        }
      }
      reuse.tiles = 0;
      CHECK_EQUAL(bpfree_evaluate(&model, &reuse, network->theta, &network->batch, loss, probes, 1, 1, workspace, bytes,
                                  losses),
                  BPFREE_ERR_ARG);
      free(workspace);
    }
  free(want);
  free(losses);
  free(y);
}

/* Samples [0, n) as columns (features, n). */
static void to_columns(const golden_network *network, uint32_t n, float *columns)
{
  const uint32_t features = network->model.tensors[network->model.input].size;
  for (uint32_t s = 0; s < n; s++)
    for (uint32_t f = 0; f < features; f++)
      columns[f * n + s] = network->batch.x[s % network->batch.n * features + f];
}

/* Parameters perturbed as they are read, on both sides of a pair or on one, give the
 * outputs of perturbed copies. */
static void as_read(const bpfree_model *model, const float *theta, struct bpfree_probe probe, uint32_t sides,
                    const float *x, uint32_t n, float *arena, float *copy, float *y)
{
  const uint32_t size = model->tensors[model->output].size * n;
  const bpfree_pass read = {model, theta, &probe, x, arena, n, sides};
  bpfree_forward(&read);
  for (uint32_t side = 0; side < sides; side++)
    memcpy(y + side * size, bpfree_output(&read, side), size * sizeof(float));
  for (uint32_t side = 0; side < sides; side++, probe.mu = -probe.mu) {
    CHECK_EQUAL(bpfree_perturb(model, theta, &probe, copy), BPFREE_OK);
    const bpfree_pass plain = {model, copy, NULL, x, arena, n, 1};
    bpfree_forward(&plain);
    CHECK_FLOATS(bpfree_output(&plain, 0), y + side * size, size);
  }
}

/* Of every range of theta: wherever it begins and ends, inside rows, cores, blocks and words of signs. */
static void reads(const golden_network *network)
{
  for (uint32_t isa = 0; bpfree_isa_name(isa); isa++) {
    if (!bpfree_isa_supported(isa)) continue;
    bpfree_node nodes[MOST_NODES];
    const bpfree_model model = model_for(network, isa, nodes);
    const uint32_t n = bpfree_isa_lanes(isa), d = model.n_theta, step = isa == SCALAR ? 1 : 7;
    float *x = floats(model.tensors[model.input].size * n), *arena = floats(bpfree_arena_size(&model, n));
    float *copy = floats(d), *y = floats(2 * model.tensors[model.output].size * n);
    to_columns(network, n, x);
    for (uint32_t first = 0; first < d; first += step)
      for (uint32_t count = 1; count <= d - first; count += step) {
        const uint32_t address = bpfree_address(BPFREE_DOMAIN_PROBE, count % 5, 0);
        const int rows = count % 2;
        const struct bpfree_probe probe = {4,     5,     address, 0.01f,
                                           first, count, rows ? BPFREE_HADAMARD : BPFREE_RADEMACHER, rows ? first + 1 : 0};
        const int before = check_failures;
        as_read(&model, network->theta, probe, 1 + first % 2, x, n, arena, copy, y);
        if (check_failures > before)
          printf("of \"%s\", %s, elements %u to %u\n", network->name, bpfree_isa_name(isa), (unsigned)first,
                 (unsigned)(first + count));
      }
    free(x);
    free(arena);
    free(copy);
    free(y);
  }
}

/* One refused call changes nothing; the same call with good arguments works. */
static void refuses(const golden_network *network)
{
  const bpfree_model *model = &network->model;
  const bpfree_loss loss = bpfree_registry_loss(SCALAR, network->loss);
  const bpfree_batch *all = &network->batch;
  const uint32_t outputs = model->tensors[model->output].size, stream = bpfree_address(BPFREE_DOMAIN_PROBE, 0, 0);
  const uint64_t bytes = bpfree_workspace_size(model, NULL, all->n, 1);
  float *workspace = room(bytes + 64), *values = floats(all->n), *y = floats(all->n * outputs);
  float *pair = floats(2 * all->n);
  const struct bpfree_probe good = {0, 0, stream, 0.5f, 0, model->n_theta, 0, 0};
  const float *theta = network->theta;

  CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, all, loss, &good, 1, 1, workspace, bytes, values), BPFREE_OK);
  CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, all, loss, &good, 1, 1, workspace, bytes - 1, values), BPFREE_ERR_SIZE);
  CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, all, loss, &good, 1, 1, workspace + 1, bytes, values),
              BPFREE_ERR_ALIGN);
  CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, all, loss, &good, 1, 1, NULL, bytes, values), BPFREE_ERR_ALIGN);
  CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, all, loss, &good, 1, 0, workspace, bytes, values), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_predict_batch(model, theta, all, 1, workspace, bytes, y), BPFREE_OK);
  CHECK_EQUAL(bpfree_predict_batch(model, theta, all, 1, workspace, bytes - 1, y), BPFREE_ERR_SIZE);
  CHECK_EQUAL(bpfree_predict_batch(model, theta, all, 1, workspace + 1, bytes, y), BPFREE_ERR_ALIGN);
  CHECK_EQUAL(bpfree_predict_batch(model, theta, all, 0, workspace, bytes, y), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_workspace_size(model, NULL, all->n, 0), 0);

  const struct bpfree_probe past = {0, 0, stream, 0.5f, 1, model->n_theta, 0, 0};
  const struct bpfree_probe wraps = {0, 0, stream, 0.5f, 0xffffffffu, 2, 0, 0};
  const struct bpfree_probe unknown = {0, 0, stream, 0.5f, 0, model->n_theta, BPFREE_HADAMARD + 1, 0};
  const struct bpfree_probe beyond[2] = {{0, 0, 0, 0.5f, 0, 0, BPFREE_COORDINATE, 0},
                                         {0, 0, 0, 0.5f, 0, 0, BPFREE_COORDINATE, model->n_theta}};
  CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, all, loss, &unknown, 1, 1, workspace, bytes, values), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, all, loss, beyond, 1, 1, workspace, bytes, values), BPFREE_OK);
  CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, all, loss, beyond, 2, 1, workspace, bytes, pair), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, all, loss, beyond + 1, 1, 1, workspace, bytes, values), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, all, loss, &past, 1, 1, workspace, bytes, values), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, all, loss, &wraps, 1, 1, workspace, bytes, values), BPFREE_ERR_ARG);
  if (all->labels) {
    uint32_t labels[64];
    CHECK(all->n <= COUNT(labels));
    memcpy(labels, all->labels, all->n * sizeof labels[0]);
    labels[all->n - 1] = outputs;
    const bpfree_batch wrong = {all->x, labels, NULL, all->n};
    CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, &wrong, loss, &good, 1, 1, workspace, bytes, values), BPFREE_ERR_ARG);
    labels[all->n - 1] = outputs - 1;
    CHECK_EQUAL(bpfree_evaluate(model, NULL, theta, &wrong, loss, &good, 1, 1, workspace, bytes, values), BPFREE_OK);
  }
  free(workspace);
  free(values);
  free(pair);
  free(y);
}

static void tables_end(void)
{
  uint32_t isas = 0;
  while (bpfree_isa_name(isas)) isas++;
  CHECK(isas >= 2 && bpfree_isa_supported(SCALAR) && bpfree_isa_lanes(SCALAR) == 1);
  CHECK(bpfree_isa_lanes(isas) == 0 && !bpfree_isa_supported(isas) && !bpfree_registry_op(isas, 0));
  CHECK(!bpfree_registry_op(SCALAR, 999) && !bpfree_registry_loss(SCALAR, 999));
  CHECK(!bpfree_registry_estimator(999) && !bpfree_registry_update(SCALAR, 999));
  CHECK(strcmp(bpfree_registry_name("ops", 0), "linear") == 0);
  CHECK(!bpfree_registry_name("ops", 999) && !bpfree_registry_name("nothing", 0));
}

int main(void)
{
  static const golden_network *const networks[] = {&dense_network, &tt_network};
  for (uint32_t k = 0; k < COUNT(networks); k++) {
    same_bits(networks[k]);
    one_by_one(networks[k]);
    keeps(networks[k]);
    reads(networks[k]);
    refuses(networks[k]);
  }
  tables_end();
  return CHECK_RESULT();
}
