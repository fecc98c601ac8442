/* SPDX-License-Identifier: MIT */
/* What the sums of a layer start from: the bias, but +0 where that is -0, so that
 * a sum is the same with a term w 0 as without it. */
#include "kernel.h"
#include "signs.h"

static void fill_row(float *y, float value, uint32_t n)
{
  const float start = value + 0.0f;
  for (uint32_t s = 0; s < n; s++) y[s] = start;
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
  if (!bpfree_probed(pass, node, k)) {
    for (uint32_t m = 0; m < rows; m++) fill_row(y + m * n, bias[m], n);
    return;
  }
  const float mu = side ? -pass->probe->mu : pass->probe->mu;
  bpfree_signs signs;
  bpfree_signs_start(&signs, pass->probe, slice, 0);
  for (uint32_t m = 0; m < rows; m++) fill_row(y + m * n, bias[m] + bpfree_signs_next(&signs, mu), n);
}
