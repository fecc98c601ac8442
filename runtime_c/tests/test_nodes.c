/* SPDX-License-Identifier: MIT */
/* Nodes that read nothing, and one that reads three tensors of different sizes,
 * with a kernel of one's own: what a probe moves is found over all inputs. */
#define _POSIX_C_SOURCE 200112L
#include "run.h"

#define N 5u
#define PARAMETER 11u /* its number in the table of operations */

static uint32_t runs[3];

/* y = all inputs, one after the other; counts itself as node 2. */
static void join(const bpfree_pass *pass, const bpfree_node *node)
{
  const bpfree_model *model = pass->model;
  float *y = pass->arena + model->tensors[node->output].offset * pass->n;
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    const bpfree_tensor *t = &model->tensors[node->inputs[i]];
    const float *x = node->inputs[i] == model->input ? pass->x : pass->arena + t->offset * pass->n;
    for (uint32_t k = 0; k < t->size * pass->n; k++) *y++ = x[k];
  }
  runs[2]++;
}

static void counted(const bpfree_pass *pass, const bpfree_node *node)
{
  runs[node->first_slice]++;
  bpfree_registry_op(SCALAR, PARAMETER)(pass, node);
}

static const uint32_t reads[] = {1, 0, 2};
static const bpfree_node nodes[] = {{counted, NULL, NULL, 0, 1, 0, 1, 0, 3},
                                    {counted, NULL, NULL, 0, 2, 1, 1, 0, 1},
                                    {join, NULL, reads, 3, 3, 2, 0, 0, 1}};
static const bpfree_tensor tensors[] = {{2, 0, 0, 2, 2, BPFREE_FLOAT32},
                                        {3, 0, 0, 3, 3, BPFREE_FLOAT32},
                                        {1, 3, 0, 1, 1, BPFREE_FLOAT32},
                                        {6, 4, 0, 6, 6, BPFREE_FLOAT32}};
static const bpfree_slice slices[] = {{0, 3, 0, 0, 0, BPFREE_FLOAT32}, {3, 1, 1, 1, 0, BPFREE_FLOAT32}};
static const bpfree_model model = {nodes, tensors, slices, NULL, 3, 4, 2, 4, 0, 0, 3, 10, 0, {0, 0}};
static const float theta[] = {1.0f, -2.0f, 4.0f, 0.5f};

static void values(void)
{
  float x[2 * N], y[6 * N], want[6 * N];
  for (uint32_t s = 0; s < N; s++)
    for (uint32_t k = 0; k < 6; k++) {
      if (k < 2) x[2 * s + k] = (float)(10 * s + k);
      want[6 * s + k] = k < 3 ? theta[k] : k < 5 ? (float)(10 * s + k - 3) : theta[3];
    }
  const bpfree_batch batch = {x, NULL, NULL, N};
  const uint64_t bytes = bpfree_workspace_size(&model, NULL, N, 1);
  float *workspace = room(bytes);
  CHECK_EQUAL(bpfree_predict_batch(&model, theta, &batch, 1, workspace, bytes, y), BPFREE_OK);
  CHECK_FLOATS(y, want, 6 * N);
  free(workspace);
}

/* With everything kept, a probe of one parameter runs its node and what reads it. */
static void probes(void)
{
  static const uint32_t places[] = {UINT32_MAX, 0, 3, 4};
  const bpfree_reuse reuse = {places, 10, 1};
  float x[2 * N] = {0}, targets[6 * N] = {0}, losses[2 * N], plain[2 * N];
  const bpfree_batch batch = {x, NULL, targets, N};
  const struct bpfree_probe both[] = {{0, 0, 0, 0.5f, 0, 0, BPFREE_COORDINATE, 1},
                                      {0, 0, 0, 0.5f, 0, 0, BPFREE_COORDINATE, 3}};
  const uint64_t bytes = bpfree_workspace_size(&model, &reuse, N, 1);
  float *workspace = room(bytes);
  const bpfree_loss mse = bpfree_registry_loss(SCALAR, 1);
  CHECK_EQUAL(bpfree_evaluate(&model, NULL, theta, &batch, mse, both, 2, 1, workspace, bytes, plain), BPFREE_OK);
  memset(runs, 0, sizeof runs);
  CHECK_EQUAL(bpfree_evaluate(&model, &reuse, theta, &batch, mse, both, 2, 1, workspace, bytes, losses), BPFREE_OK);
  CHECK_FLOATS(losses, plain, 2 * N);
  CHECK(losses[0] == (1.0f + 2.25f + 16.0f + 0.25f) * (1.0f / 6.0f));
  CHECK(losses[N] == (1.0f + 4.0f + 16.0f + 1.0f) * (1.0f / 6.0f));
  CHECK_EQUAL(runs[0], 2 * N); /* at theta, and for its own probe */
  CHECK_EQUAL(runs[1], 2 * N);
  CHECK_EQUAL(runs[2], 3 * N);
  free(workspace);
}

int main(void)
{
  CHECK(strcmp(bpfree_registry_name("ops", PARAMETER), "parameter") == 0);
  CHECK(!bpfree_registry_jet(SCALAR, 999) && !bpfree_registry_slope(PARAMETER) && !bpfree_registry_slope(999));
  values();
  probes();
  return CHECK_RESULT();
}
