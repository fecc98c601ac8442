/* SPDX-License-Identifier: MIT */
/* bpfree_predict gives what the golden networks gave, in an arena of just its size, and refuses what cannot work. */
#define _POSIX_C_SOURCE 200112L
#include "run.h"

static void same_as_batches(const golden_network *network)
{
  const bpfree_model *model = &network->model;
  const uint32_t features = model->tensors[model->input].size, outputs = model->tensors[model->output].size;
  const uint32_t n = network->batch.n, size = bpfree_predict_size(model);
  const uint64_t bytes = bpfree_workspace_size(model, NULL, n, 1);
  float *workspace = room(bytes), *want = floats(n * outputs), *y = floats(outputs), *arena = floats(size);
  CHECK_EQUAL(bpfree_predict_batch(model, network->theta, &network->batch, 1, workspace, bytes, want), BPFREE_OK);
  for (uint32_t s = 0; s < n; s++) {
    const float *x = network->batch.x + s * features;
    CHECK_EQUAL(bpfree_predict(model, network->theta, x, arena, size, y), BPFREE_OK);
    CHECK_FLOATS(y, want + s * outputs, outputs);
    if (outputs > size) continue;
    CHECK_EQUAL(bpfree_predict(model, network->theta, x, arena, size, arena), BPFREE_OK);
    CHECK_FLOATS(arena, want + s * outputs, outputs);
  }
  free(workspace);
  free(want);
  free(y);
  free(arena);
}

static void refusals(const golden_network *network)
{
  const bpfree_model *model = &network->model;
  const uint32_t outputs = model->tensors[model->output].size, size = bpfree_predict_size(model);
  float *arena = floats(size + 1), *y = floats(outputs);
  const float *x = network->batch.x, *theta = network->theta;
  for (uint32_t k = 0; k < outputs; k++) y[k] = 7.0f;
  CHECK_EQUAL(bpfree_predict(NULL, theta, x, arena, size, y), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_predict(model, NULL, x, arena, size, y), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_predict(model, theta, NULL, arena, size, y), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_predict(model, theta, x, NULL, size, y), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_predict(model, theta, x, arena, size, NULL), BPFREE_ERR_ARG);
  CHECK_EQUAL(bpfree_predict(model, theta, x, arena, size - 1, y), BPFREE_ERR_SIZE);
  CHECK_EQUAL(bpfree_predict(model, theta, x, arena, 0, y), BPFREE_ERR_SIZE);
  CHECK_EQUAL(bpfree_predict(model, theta, x, arena + 1, size, y), BPFREE_ERR_ALIGN);
  for (uint32_t k = 0; k < outputs; k++) CHECK(y[k] == 7.0f);
  free(arena);
  free(y);
}

int main(void)
{
  for (uint32_t k = 0; k < COUNT(golden_runs); k++) {
    const int before = check_failures;
    same_as_batches(golden_runs[k].network);
    refusals(golden_runs[k].network);
    if (check_failures > before) printf("in the network \"%s\"\n", golden_runs[k].network->name);
  }
  return CHECK_RESULT();
}
