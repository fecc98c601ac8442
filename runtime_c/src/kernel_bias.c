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
  const bpfree_span none = {0, 0}, moved = slice ? bpfree_probed(pass, node, k) : none;
  if (moved.from >= moved.to) {
    for (uint32_t first = 0; first < size; first += row) {
      float *y = BPFREE_KERNEL(result_at)(pass, node, side, first);
      for (const float *const end = y + row * n; y < end; y += n) fill_row(y, bias ? *bias++ : 0.0f, n);
    }
    return;
  }
  const float mu = side ? -pass->probe->mu : pass->probe->mu;
  bpfree_signs signs;
  bpfree_signs_start_at(&signs, pass->probe, slice, moved.from);
  for (uint32_t first = 0; first < size; first += row) {
    float *y = BPFREE_KERNEL(result_at)(pass, node, side, first);
    for (uint32_t m = first; m < first + row; m++, y += n) {
      const int moves = !BPFREE_CUT_SLICES || (m >= moved.from && m < moved.to);
      fill_row(y, moves ? bias[m] + bpfree_signs_next(&signs, mu) : bias[m], n);
    }
  }
}
