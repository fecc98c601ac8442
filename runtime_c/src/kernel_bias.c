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

void BPFREE_KERNEL(bias_rows)(const bpfree_pass *pass, const bpfree_node *node, uint32_t k, uint32_t side)
{
  const bpfree_tensor *to = bpfree_result_tensor(pass, node);
  const uint32_t n = bpfree_samples(pass), size = to->size, row = bpfree_row(to);
  const bpfree_slice *slice = k < node->n_slices ? bpfree_node_slice(pass, node, k) : 0;
  const float *bias = slice ? bpfree_parameters(pass, slice) : 0;
  if (!slice || !bpfree_probed(pass, node, k)) {
    for (uint32_t first = 0; first < size; first += row) {
      float *y = BPFREE_KERNEL(result_at)(pass, node, side, first);
      for (const float *const end = y + row * n; y < end; y += n) fill_row(y, bias ? *bias++ : 0.0f, n);
    }
    return;
  }
  const float mu = side ? -pass->probe->mu : pass->probe->mu;
  bpfree_signs signs;
  bpfree_signs_start(&signs, pass->probe, slice, 0);
  for (uint32_t first = 0; first < size; first += row) {
    float *y = BPFREE_KERNEL(result_at)(pass, node, side, first);
    for (const float *const end = y + row * n; y < end; y += n)
      fill_row(y, *bias++ + bpfree_signs_next(&signs, mu), n);
  }
}
