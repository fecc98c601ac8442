/* SPDX-License-Identifier: MIT */
/* y_c = exp(x_c - max x) / sum_c exp(x_c - max x), per sample; the sum runs
 * over ascending c. No attributes, no parameters; may run in place. Scratch:
 * the maximum and the sum, one of each a sample. */
#include "jet.h"
#include "math32.h"

void BPFREE_KERNEL(op_softmax)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t n = bpfree_samples(pass), sides = bpfree_sides(pass, node);
  float *const largest = pass->arena + node->scratch * n, *const sum = largest + n;
  for (uint32_t side = 0; side < sides; side++) {
    const float *x = bpfree_input(pass, node, 0, side);
    for (uint32_t s = 0; s < n; s++) {
      largest[s] = x[s];
      sum[s] = 0.0f;
    }
    BPFREE_PIECES(pass->model, node, first)
    {
      x = BPFREE_KERNEL(input_at)(pass, node, 0, side, first);
      for (uint32_t c = 0; c < bpfree_piece(pass->model, node); c++)
        for (uint32_t s = 0; s < n; s++) largest[s] = x[c * n + s] > largest[s] ? x[c * n + s] : largest[s];
    }
    BPFREE_PIECES(pass->model, node, first)
    {
      x = BPFREE_KERNEL(input_at)(pass, node, 0, side, first);
      float *y = BPFREE_KERNEL(result_at)(pass, node, side, first);
      for (uint32_t c = 0; c < bpfree_piece(pass->model, node); c++)
        for (uint32_t s = 0; s < n; s++) {
          y[c * n + s] = bpfree_exp32(x[c * n + s] - largest[s]);
          sum[s] += y[c * n + s];
        }
    }
    BPFREE_PIECES(pass->model, node, first)
    {
      float *y = BPFREE_KERNEL(result_at)(pass, node, side, first);
      for (uint32_t c = 0; c < bpfree_piece(pass->model, node); c++)
        for (uint32_t s = 0; s < n; s++) y[c * n + s] = y[c * n + s] / sum[s];
    }
  }
}

/* All points of element c. */
static bpfree_chunk points_of(const bpfree_jets *jets, uint32_t c)
{
  const bpfree_chunk chunk = {c, 0, bpfree_jet_points(jets)};
  return chunk;
}

/* A stream of the result = that of the input, less sum_c y_c in_c, per point; the two may lie in one place. */
static void centre(const bpfree_jets *jets, const bpfree_node *node, uint32_t stream, float *mean)
{
  const uint32_t n = bpfree_jet_points(jets), classes = jets->model->tensors[node->output].size;
  for (uint32_t s = 0; s < n; s++) mean[s] = 0.0f;
  for (uint32_t c = 0; c < classes; c++) {
    const float *y = BPFREE_KERNEL(chunk_in)(jets, node->output, 0, points_of(jets, c));
    const float *in = BPFREE_KERNEL(chunk_in)(jets, node->inputs[0], stream, points_of(jets, c));
    for (uint32_t s = 0; s < n; s++) mean[s] = c ? mean[s] + y[s] * in[s] : y[s] * in[s];
  }
  for (uint32_t c = 0; c < classes; c++) {
    const float *in = BPFREE_KERNEL(chunk_in)(jets, node->inputs[0], stream, points_of(jets, c));
    float *out = BPFREE_KERNEL(chunk_out)(jets, node->output, stream, points_of(jets, c));
    for (uint32_t s = 0; s < n; s++) out[s] = in[s] - mean[s];
  }
}

/* form = y form + y (q - sum_c y_c q_c), q from centred first derivatives. q is
 * computed twice, so that it needs no room of its own. */
static void bend(const bpfree_jets *jets, const bpfree_node *node, uint32_t number, float *mean)
{
  const uint32_t n = bpfree_jet_points(jets), classes = jets->model->tensors[node->output].size;
  const bpfree_form *form = &jets->streams->forms[number];
  float q[BPFREE_JET_CHUNK];
  for (uint32_t s0 = 0; s0 < n; s0 += BPFREE_JET_CHUNK) {
    bpfree_chunk chunk = {0, s0, n - s0 < BPFREE_JET_CHUNK ? n - s0 : BPFREE_JET_CHUNK};
    for (; chunk.element < classes; chunk.element++) {
      const float *const y = BPFREE_KERNEL(chunk_in)(jets, node->output, 0, chunk);
      BPFREE_KERNEL(jet_squares)(jets, node->output, form, chunk, q);
      for (uint32_t k = 0; k < chunk.count; k++) mean[k] = chunk.element ? mean[k] + y[k] * q[k] : y[k] * q[k];
    }
    for (chunk.element = 0; chunk.element < classes; chunk.element++) {
      const float *const y = BPFREE_KERNEL(chunk_in)(jets, node->output, 0, chunk);
      float *const to = BPFREE_KERNEL(chunk_out)(jets, node->output, 1u + jets->streams->n_first + number, chunk);
      BPFREE_KERNEL(jet_squares)(jets, node->output, form, chunk, q);
      for (uint32_t k = 0; k < chunk.count; k++) to[k] = y[k] * to[k] + y[k] * (q[k] - mean[k]);
    }
  }
}

/* d_a y = y centred_a, centred_a = d_a x - <y, d_a x>;
 * form y = y (form x - <y, form x>) + y (q - <y, q>), q = sum c centred_a centred_b. */
void BPFREE_KERNEL(jet_softmax)(const bpfree_jets *jets, const bpfree_node *node)
{
  const uint32_t n = bpfree_jet_points(jets), classes = jets->model->tensors[node->output].size;
  float *const mean = bpfree_stream_arena(jets, 0) + node->scratch * n;
  BPFREE_KERNEL(jet_stream)(jets, node, 0);
  for (uint32_t s = 1; s < bpfree_stream_count(jets->streams); s++) centre(jets, node, s, mean);
  for (uint32_t f = 0; f < jets->streams->n_forms; f++) bend(jets, node, f, mean);
  for (uint32_t c = 0; c < classes; c++) {
    const float *const y = BPFREE_KERNEL(chunk_in)(jets, node->output, 0, points_of(jets, c));
    for (uint32_t a = 1; a <= jets->streams->n_first; a++) {
      float *const out = BPFREE_KERNEL(chunk_out)(jets, node->output, a, points_of(jets, c));
      for (uint32_t s = 0; s < n; s++) out[s] = y[s] * out[s];
    }
  }
}
