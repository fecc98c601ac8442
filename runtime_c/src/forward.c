/* SPDX-License-Identifier: MIT */
#include "bpfree/model.h"

uint32_t bpfree_arena_size(const bpfree_model *model, uint32_t n)
{
  return model->arena_sample * n + model->arena_fixed;
}

void bpfree_forward(const bpfree_pass *pass)
{
  const bpfree_model *model = pass->model;
  for (uint32_t k = 0; k < model->n_nodes; k++) model->nodes[k].kernel(pass, &model->nodes[k]);
}

const float *bpfree_output(const bpfree_pass *pass, uint32_t side)
{
  const bpfree_tensor *t = &pass->model->tensors[pass->model->output];
  return pass->arena + (t->offset + side * t->side) * pass->n;
}
