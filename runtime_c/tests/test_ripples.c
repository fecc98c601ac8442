/* SPDX-License-Identifier: MIT */
/* Probes of single entries along their ripples have the bits of whole passes, on
 * every instruction set; arguments that do not fit are refused. The network is
 * 3-4-2 with ReLU; tensor trains are tested in Python, which writes their tables. */
#define _POSIX_C_SOURCE 200112L
#include "run.h"

enum { FEATURES = 3, HIDDEN = 4, OUTPUTS = 2, N_THETA = 26, MOST_SAMPLES = 19, N_PROBES = 2 * N_THETA + 1, MSE = 1 };

static const uint32_t first[] = {FEATURES, HIDDEN}, second[] = {HIDDEN, OUTPUTS};
static const uint32_t numbers[] = {0, 1, 2, 3};
static const uint32_t ops[] = {0, 2, 0}; /* linear, relu, linear */
static const bpfree_tensor tensors[] = {
    {FEATURES, 0, 0, FEATURES, FEATURES, 0}, {HIDDEN, 0, 0, HIDDEN, HIDDEN, 0},
    {HIDDEN, 4, 0, HIDDEN, HIDDEN, 0},       {OUTPUTS, 8, 0, OUTPUTS, OUTPUTS, 0}};
static const bpfree_slice slices[] = {
    {0, 12, 0, 0, 0, 0}, {12, 4, 1, 0, 0, 0}, {16, 8, 2, 1, 0, 0}, {24, 2, 3, 1, 0, 0}};

/* Entries of W0, b0, W1, b1: their steps, behind the three of the whole pass. */
static const bpfree_ripple_step steps[] = {
    {0, BPFREE_PARTS, 1, 1, HIDDEN, 1},  {1, BPFREE_PARTS, 1, 1, HIDDEN, 1}, {2, BPFREE_PARTS, 1, 1, OUTPUTS, 1},
    {0, BPFREE_ROWS, 1, HIDDEN, 1, 1},   {1, BPFREE_PARTS, 1, HIDDEN, 1, 1}, {2, BPFREE_PARTS, 1, 1, OUTPUTS, 1},
    {0, BPFREE_ELEMENT, 1, HIDDEN, 1, 1}, {1, BPFREE_PARTS, 1, HIDDEN, 1, 1}, {2, BPFREE_PARTS, 1, 1, OUTPUTS, 1},
    {2, BPFREE_ROWS, 1, OUTPUTS, 1, 1},  {2, BPFREE_ELEMENT, 1, OUTPUTS, 1, 1}};
static const bpfree_stage stages[] = {{1, HIDDEN, FEATURES, 1, 0, 12, 0, 1, 0},
                                      {0, 0, 0, 0, 0, UINT32_MAX, 1, 2, 1},
                                      {1, OUTPUTS, HIDDEN, 1, 16, 24, 2, 3, 2}};
static const uint32_t offsets[] = {0, 3, 7, 11};

static float theta[N_THETA], packed[N_THETA], x[MOST_SAMPLES * FEATURES], targets[MOST_SAMPLES * OUTPUTS];
static struct bpfree_probe probes[N_PROBES];
static bpfree_ripple entries[N_PROBES];

static bpfree_ripples ripples_for(uint32_t isa)
{
  const bpfree_ripples all = {stages, steps, offsets, 3, 13, 0, 0, bpfree_registry_contraction(isa)};
  return all;
}

static bpfree_model model_for(uint32_t isa, bpfree_node *nodes)
{
  for (uint32_t k = 0; k < 3; k++) {
    const bpfree_node node = {bpfree_registry_op(isa, ops[k]), k == 2 ? second : first, numbers + k, 1, k + 1,
                              k == 2 ? 2 : 0,  k == 1 ? 0 : 2, 0, tensors[k + 1].size};
    nodes[k] = node;
  }
  const bpfree_model model = {nodes, tensors, slices, NULL, 3, 4, 4, N_THETA, 0, 0, 3, 10, 0, {0, 0}};
  return model;
}

/* Weight (m, k) of a layer lies turned round; entries of a bias as they are. */
static void fill(void)
{
  for (uint32_t k = 0; k < N_THETA; k++) theta[k] = (float)((int)(k * 7 % 11) - 5) * 0.3125f;
  for (uint32_t k = 0; k < COUNT(x); k++) x[k] = (float)((int)(k * 5 % 13) - 6) * 0.21f;
  for (uint32_t k = 0; k < COUNT(targets); k++) targets[k] = (float)(k % 3);
  for (uint32_t e = 0; e < N_THETA; e++) {
    const int behind = e >= 16, bias = behind ? e >= 24 : e >= 12;
    const uint32_t inputs = behind ? HIDDEN : FEATURES, rows = behind ? OUTPUTS : HIDDEN;
    const uint32_t own = e - (behind ? 16u : 0u), m = bias ? own - inputs * rows : own / inputs;
    const uint32_t position = bias ? e : (behind ? 16u : 0u) + own % inputs * rows + m;
    const uint32_t begin = behind ? (bias ? 10 : 9) : bias ? 6 : 3, count = behind ? 1 : 3;
    packed[position] = theta[e];
    for (uint32_t side = 0; side < 2; side++) {
      const float mu = side ? -0.7f : 0.7f;
      const struct bpfree_probe probe = {0, 0, 0, mu, 0, 0, BPFREE_COORDINATE, e};
      const bpfree_ripple entry = {position, m, begin, count, mu};
      probes[2 * e + side] = probe;
      entries[2 * e + side] = entry;
    }
  }
}

static void same_bits(uint32_t isa, uint32_t n, uint32_t tile)
{
  bpfree_node nodes[3];
  const bpfree_model model = model_for(isa, nodes);
  const bpfree_ripples ripples = ripples_for(isa);
  const bpfree_batch batch = {x, NULL, targets, n};
  const bpfree_loss loss = bpfree_registry_loss(isa, MSE);
  const uint64_t bytes = bpfree_ripples_size(&model, &ripples, tile), whole = bpfree_workspace_size(&model, NULL, n, tile);
  float *workspace = room(bytes), *other = room(whole), *values = floats(N_PROBES * n), *want = floats(N_PROBES * n);
  float before[N_THETA];
  memcpy(before, packed, sizeof before);
  CHECK_EQUAL(bpfree_evaluate_ripples(&model, &ripples, theta, packed, &batch, loss, entries, N_PROBES, tile, workspace,
                                      bytes, values),
              BPFREE_OK);
  CHECK_EQUAL(bpfree_evaluate(&model, NULL, theta, &batch, loss, probes, N_PROBES, tile, other, whole, want), BPFREE_OK);
  CHECK_FLOATS(values, want, N_PROBES * n);
  CHECK_FLOATS(packed, before, N_THETA);
  free(workspace);
  free(other);
  free(values);
  free(want);
}

static void refuses(void)
{
  bpfree_node nodes[3];
  const bpfree_model model = model_for(SCALAR, nodes);
  const bpfree_ripples ripples = ripples_for(SCALAR);
  const bpfree_batch batch = {x, NULL, targets, 5};
  const uint32_t labels[] = {0, 1, 0, 1, OUTPUTS};
  const bpfree_batch wrong = {x, labels, NULL, 5};
  const bpfree_loss loss = bpfree_registry_loss(SCALAR, MSE);
  const uint64_t bytes = bpfree_ripples_size(&model, &ripples, 1);
  float *space = room(bytes + 64), values[5];
#define TRY(batch, tile, workspace, bytes) \
  bpfree_evaluate_ripples(&model, &ripples, theta, packed, &batch, loss, entries, 1, tile, workspace, bytes, values)
  CHECK_EQUAL(TRY(batch, 1, space, bytes), BPFREE_OK);
  CHECK_EQUAL(TRY(batch, 1, space, bytes - 1), BPFREE_ERR_SIZE);
  CHECK_EQUAL(TRY(batch, 1, space + 1, bytes), BPFREE_ERR_ALIGN);
  CHECK_EQUAL(TRY(batch, 1, NULL, bytes), BPFREE_ERR_ALIGN);
  CHECK_EQUAL(TRY(batch, 0, space, bytes), BPFREE_ERR_ARG);
  CHECK_EQUAL(TRY(wrong, 1, space, bytes), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_ripples_size(&model, &ripples, 0), 0);
  CHECK(bpfree_registry_contraction(99) == NULL);
  free(space);
}

int main(void)
{
  fill();
  for (uint32_t isa = 0; bpfree_isa_name(isa); isa++) {
    if (!bpfree_isa_supported(isa)) continue;
    const uint32_t lanes = bpfree_isa_lanes(isa), most = lanes == 1 ? 1 : 5 * lanes;
    for (uint32_t n = 1; n <= MOST_SAMPLES; n += 6)
      for (uint32_t tile = lanes; tile <= most; tile += lanes) same_bits(isa, n, tile);
  }
  refuses();
  return CHECK_RESULT();
}
