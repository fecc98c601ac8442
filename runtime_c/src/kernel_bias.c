/* SPDX-License-Identifier: MIT */
/* What the sums of a layer start from. */
#include "kernel.h"
#include "signs.h"

static void fill_row(float *y, float value, uint32_t n)
{
  for (uint32_t s = 0; s < n; s++) y[s] = value;
}

void BPFREE_KERNEL(bias_rows)(const bpfree_pass *pass, const bpfree_node *node, uint32_t k, uint32_t side,
                              uint32_t rows, float *y)
{
  const uint32_t n = bpfree_samples(pass);
  if (k >= node->n_slices) {
    fill_row(y, 0.0f, rows * n);
    return;
  }
  const bpfree_slice *slice = bpfree_node_slice(pass, node, k);
  const float *bias = bpfree_parameters(pass, slice);
  const bpfree_span moved = bpfree_probed(pass, node, k);
  uint32_t m = 0;
  if (moved.from < moved.to) {
    const float mu = side ? -pass->probe->mu : pass->probe->mu;
    bpfree_signs signs;
    bpfree_signs_start_at(&signs, pass->probe, slice, moved.from);
    for (; m < moved.from; m++) fill_row(y + m * n, bias[m], n);
    for (; m < moved.to; m++) fill_row(y + m * n, bias[m] + bpfree_signs_next(&signs, mu), n);
  }
  for (; m < rows; m++) fill_row(y + m * n, bias[m], n);
}
