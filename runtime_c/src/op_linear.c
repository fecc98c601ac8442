/* SPDX-License-Identifier: MIT */
/* y = W x + b. Attributes: {inputs, outputs}. Slices: weight (outputs,
 * inputs) row-major, bias (outputs) unless absent.
 *
 * A probed weight is perturbed as it is read: w + mu u and w - mu u come from
 * one load and one random bit, so a paired evaluation keeps no second copy of
 * theta and touches each weight once. Where a probe begins or ends inside the
 * weights, each row has up to three parts, and its sum goes on from one to the next. */
#include "jet.h"
#include "signs.h"

/* One vector of samples on both sides of theta. */
typedef struct pair {
  bpfree_vector plus, minus;
} pair;

/* plus += (w + mu u) x0 and minus += (w - mu u) x1 over `count` <= 32 weights. */
static inline pair add_word(pair sum, const float *w, const float *x0, const float *x1, uint32_t n, float mu,
                            uint32_t word, uint32_t count)
{
  BPFREE_UNROLL_8 for (uint32_t k = 0; k < count; k++, word <<= 1)
  {
    const float step = bpfree_signed(mu, word), value = w[k];
    sum.plus += (value + step) * *(const bpfree_vector *)(x0 + k * n);
    sum.minus += (value - step) * *(const bpfree_vector *)(x1 + k * n);
  }
  return sum;
}

/* One row of weights, word of signs by word. */
static void row_paired(bpfree_signs *signs, float mu, const float *w, const float *x0, const float *x1,
                       uint32_t inputs, uint32_t n, float *y0, float *y1)
{
  pair sum = {*(const bpfree_vector *)y0, *(const bpfree_vector *)y1};
  while (inputs) {
    if (signs->left == 0) bpfree_signs_refill(signs);
    uint32_t count = 32;
    if (signs->left == 32 && inputs >= 32) { /* known length: unrolled without a rest */
      sum = x0 == x1 ? add_word(sum, w, x0, x0, n, mu, signs->word, 32) /* first layer: one load for both sides */
                     : add_word(sum, w, x0, x1, n, mu, signs->word, 32);
    } else {
      count = inputs < signs->left ? inputs : signs->left;
      sum = add_word(sum, w, x0, x1, n, mu, signs->word, count);
      signs->word = count < 32 ? signs->word << count : 0;
    }
    signs->left -= count;
    inputs -= count;
    w += count;
    x0 += count * n;
    x1 += count * n;
  }
  *(bpfree_vector *)y0 = sum.plus;
  *(bpfree_vector *)y1 = sum.minus;
}

static void row_single(bpfree_signs *signs, float mu, const float *w, const float *x, uint32_t inputs, uint32_t n,
                       float *y)
{
  bpfree_vector sum = *(const bpfree_vector *)y;
  while (inputs) {
    if (signs->left == 0) bpfree_signs_refill(signs);
    const uint32_t count = inputs < signs->left ? inputs : signs->left;
    uint32_t word = signs->word;
    for (uint32_t k = 0; k < count; k++, word <<= 1)
      sum += (w[k] + bpfree_signed(mu, word)) * *(const bpfree_vector *)(x + k * n);
    signs->word = word;
    signs->left -= count;
    inputs -= count;
    w += count;
    x += count * n;
  }
  *(bpfree_vector *)y = sum;
}

/* Weights that do not move, of one row, on one side. */
static void row_plain(const float *w, const float *x, uint32_t inputs, uint32_t n, float *y)
{
  bpfree_vector sum = *(const bpfree_vector *)y;
  for (uint32_t i = 0; i < inputs; i++) sum += w[i] * *(const bpfree_vector *)(x + i * n);
  *(bpfree_vector *)y = sum;
}

/* The same on every side. */
static void rows_plain(const float *w, const float *x0, const float *x1, uint32_t inputs, uint32_t n, uint32_t sides,
                       float *y0, float *y1)
{
  row_plain(w, x0, inputs, n, y0);
  if (sides == 2) row_plain(w, x1, inputs, n, y1);
}

static uint32_t within(uint32_t k, uint32_t low, uint32_t high)
{
  return k < low ? low : k > high ? high : k;
}

/* Inputs of a row whose weights move, [from, to): all of them where slices are not cut. */
static bpfree_span row_span(bpfree_span moved, uint32_t row, uint32_t inputs)
{
  bpfree_span span = {0, inputs};
  if (BPFREE_CUT_SLICES) {
    span.from = within(moved.from, row * inputs, (row + 1) * inputs) - row * inputs;
    span.to = within(moved.to, row * inputs, (row + 1) * inputs) - row * inputs;
  }
  return span;
}

static void weights_on_read(const bpfree_pass *pass, const bpfree_node *node, uint32_t inputs, uint32_t outputs,
                            bpfree_span moved)
{
  const uint32_t n = bpfree_samples(pass), sides = bpfree_sides(pass, node);
  const bpfree_slice *slice = bpfree_node_slice(pass, node, 0);
  const float mu = pass->probe->mu;
  for (uint32_t s = 0; s < n; s += BPFREE_LANES) {
    const float *w = bpfree_parameters(pass, slice), *const end = w + inputs * outputs;
    const float *x0 = bpfree_input(pass, node, 0, 0) + s, *x1 = bpfree_input(pass, node, 0, sides - 1) + s;
    float *y0 = bpfree_result(pass, node, 0) + s, *y1 = bpfree_result(pass, node, sides - 1) + s;
    bpfree_signs signs;
    bpfree_signs_start_at(&signs, pass->probe, slice, moved.from);
    for (uint32_t o = 0; w != end; o++) {
      const bpfree_span own = row_span(moved, o, inputs);
      if (BPFREE_CUT_SLICES) rows_plain(w, x0, x1, own.from, n, sides, y0, y1);
      if (sides == 2)
        row_paired(&signs, mu, w + own.from, x0 + own.from * n, x1 + own.from * n, own.to - own.from, n, y0, y1);
      else
        row_single(&signs, mu, w + own.from, x0 + own.from * n, own.to - own.from, n, y0);
      if (BPFREE_CUT_SLICES)
        rows_plain(w + own.to, x0 + own.to * n, x1 + own.to * n, inputs - own.to, n, sides, y0, y1);
      w += inputs;
      y0 += n;
      y1 += n;
    }
  }
}

void BPFREE_KERNEL(op_linear)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t inputs = node->attributes[0], outputs = node->attributes[1];
  const uint32_t sides = bpfree_sides(pass, node);
  for (uint32_t side = 0; side < sides; side++)
    BPFREE_KERNEL(bias_rows)(pass, node, 1, side, outputs, bpfree_result(pass, node, side));
  const bpfree_span moved = bpfree_probed(pass, node, 0);
  if (moved.from < moved.to) {
    weights_on_read(pass, node, inputs, outputs, moved);
    return;
  }
  const float *w = bpfree_parameters(pass, bpfree_node_slice(pass, node, 0));
  for (uint32_t side = 0; side < sides; side++)
    BPFREE_KERNEL(contract)(bpfree_result(pass, node, side), w, 1, inputs, bpfree_input(pass, node, 0, side),
                            outputs, inputs, bpfree_samples(pass));
}

void BPFREE_KERNEL(jet_linear)(const bpfree_jets *jets, const bpfree_node *node)
{
  BPFREE_KERNEL(jet_layer)(jets, node, 1);
}
