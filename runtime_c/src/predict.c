/* SPDX-License-Identifier: MIT */
/* Inference: one sample through the model. Programs that only predict link this, forward.c and the kernels. */
#include "bpfree/model.h"

uint32_t bpfree_predict_size(const bpfree_model *model)
{
  return bpfree_arena_size(model, 1);
}

int bpfree_predict(const bpfree_model *model, const float *theta, const float *x, float *arena, uint32_t floats,
                   float *y)
{
  if (!model || (!theta && model->n_theta) || !x || !arena || !y) return BPFREE_ERR_ARG;
  if (floats < bpfree_predict_size(model)) return BPFREE_ERR_SIZE;
  if ((uintptr_t)arena & (BPFREE_ALIGN - 1)) return BPFREE_ERR_ALIGN;
  const bpfree_pass pass = {model, theta, 0, x, arena, 1, 1};
  bpfree_forward(&pass);
  const float *from = bpfree_output(&pass, 0);
  const uint32_t outputs = model->tensors[model->output].size;
  for (uint32_t k = 0; k < outputs; k++) y[k] = from[k];
  return BPFREE_OK;
}
