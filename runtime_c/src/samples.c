/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "bpfree/host.h"

int bpfree_sample_row(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y)
{
  const bpfree_rows *rows = user;
  const bpfree_batch *batch = &rows->batch;
  const uint64_t row = bpfree_batch_index(rows->seed, step, rows->per_step, batch->n, i);
  memcpy(x, batch->x + row * rows->features, rows->features * sizeof(float));
  y->label = batch->labels ? batch->labels[row] : 0;
  y->values = batch->targets ? batch->targets + row * rows->outputs : NULL;
  y->weight = rows->weights ? rows->weights[row] : 1.0f;
  return 0;
}
