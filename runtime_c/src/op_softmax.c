/* SPDX-License-Identifier: MIT */
/* y_c = exp(x_c - max x) / sum_c exp(x_c - max x), per sample; the sum runs
 * over ascending c. No attributes, no parameters; may run in place. Scratch:
 * the maximum and the sum, one of each a sample. */
#include "jet.h"
#include "math32.h"

void BPFREE_KERNEL(op_softmax)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t n = bpfree_samples(pass), classes = pass->model->tensors[node->output].size;
  const uint32_t sides = bpfree_sides(pass, node);
  float *const largest = pass->arena + node->scratch * n, *const sum = largest + n;
  for (uint32_t side = 0; side < sides; side++) {
    const float *x = bpfree_input(pass, node, 0, side);
    float *y = bpfree_result(pass, node, side);
    for (uint32_t s = 0; s < n; s++) {
      largest[s] = x[s];
      sum[s] = 0.0f;
    }
    for (uint32_t c = 1; c < classes; c++)
      for (uint32_t s = 0; s < n; s++) largest[s] = x[c * n + s] > largest[s] ? x[c * n + s] : largest[s];
    for (uint32_t c = 0; c < classes; c++)
      for (uint32_t s = 0; s < n; s++) {
        y[c * n + s] = bpfree_exp32(x[c * n + s] - largest[s]);
        sum[s] += y[c * n + s];
      }
    for (uint32_t c = 0; c < classes; c++)
      for (uint32_t s = 0; s < n; s++) y[c * n + s] = y[c * n + s] / sum[s];
  }
}

/* out = in - sum_c y_c in_c, per sample; out may be in. */
static void centre(float *out, const float *in, const float *y, uint32_t classes, uint32_t n, float *mean)
{
  for (uint32_t s = 0; s < n; s++) mean[s] = y[s] * in[s];
  for (uint32_t c = 1; c < classes; c++)
    for (uint32_t s = 0; s < n; s++) mean[s] += y[c * n + s] * in[c * n + s];
  for (uint32_t c = 0; c < classes; c++)
    for (uint32_t s = 0; s < n; s++) out[c * n + s] = in[c * n + s] - mean[s];
}

/* form = y form + y (q - sum_c y_c q_c), q from centred first derivatives. q is
 * computed twice, so that it needs no room of its own. */
static void bend(const bpfree_jets *jets, const bpfree_node *node, const bpfree_form *form, float *out,
                 const float *y, uint32_t classes, uint32_t n, float *mean)
{
  float q[BPFREE_JET_CHUNK];
  for (uint32_t s0 = 0; s0 < n; s0 += BPFREE_JET_CHUNK) {
    const uint32_t m = n - s0 < BPFREE_JET_CHUNK ? n - s0 : BPFREE_JET_CHUNK;
    for (uint32_t c = 0; c < classes; c++) {
      const float *const own = y + c * n + s0;
      BPFREE_KERNEL(jet_squares)(jets, node->output, form, c * n + s0, m, q);
      for (uint32_t k = 0; k < m; k++) mean[s0 + k] = c ? mean[s0 + k] + own[k] * q[k] : own[k] * q[k];
    }
    for (uint32_t c = 0; c < classes; c++) {
      const float *const own = y + c * n + s0;
      float *const to = out + c * n + s0;
      BPFREE_KERNEL(jet_squares)(jets, node->output, form, c * n + s0, m, q);
      for (uint32_t k = 0; k < m; k++) to[k] = own[k] * to[k] + own[k] * (q[k] - mean[s0 + k]);
    }
  }
}

/* d_a y = y centred_a, centred_a = d_a x - <y, d_a x>;
 * form y = y (form x - <y, form x>) + y (q - <y, q>), q = sum c centred_a centred_b. */
void BPFREE_KERNEL(jet_softmax)(const bpfree_jets *jets, const bpfree_node *node)
{
  const uint32_t n = bpfree_jet_points(jets), classes = jets->model->tensors[node->output].size;
  const uint32_t first = jets->streams->n_first, count = bpfree_stream_count(jets->streams);
  const float *const y = bpfree_jet_in(jets, node->output, 0);
  float *const mean = bpfree_stream_arena(jets, 0) + node->scratch * n;
  BPFREE_KERNEL(jet_stream)(jets, node, 0);
  for (uint32_t s = 1; s < count; s++)
    centre(bpfree_jet_out(jets, node->output, s), bpfree_jet_in(jets, node->input[0], s), y, classes, n, mean);
  for (uint32_t f = 0; f < jets->streams->n_forms; f++)
    bend(jets, node, &jets->streams->forms[f], bpfree_jet_out(jets, node->output, 1 + first + f), y, classes, n,
         mean);
  for (uint32_t a = 1; a <= first; a++) {
    float *const out = bpfree_jet_out(jets, node->output, a);
    for (uint32_t i = 0; i < classes * n; i++) out[i] = y[i] * out[i];
  }
}
