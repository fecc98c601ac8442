/* SPDX-License-Identifier: MIT */
/* y = W x + b. Attributes: {inputs, outputs}. Slices: weight (outputs,
 * inputs) row-major, bias (outputs) unless absent. x and y may lie in rows with
 * gaps: sums go on from one row to the next.
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

/* plus += (w + mu u) x0 and minus += (w - mu u) x1 for one weight, its sign the top one of word. */
static inline __attribute__((always_inline)) pair add_weight(pair sum, float w, const float *x0, const float *x1,
                                                             float mu, uint32_t word)
{
  const float step = bpfree_signed(mu, word);
  sum.plus += (w + step) * *(const bpfree_vector *)x0;
  sum.minus += (w - step) * *(const bpfree_vector *)x1;
  return sum;
}

/* The same for the 32 weights of a word. */
static inline __attribute__((always_inline)) pair add_word(pair sum, const float *w, const float *x0, const float *x1,
                                                           uint32_t n, float mu, uint32_t word)
{
  const float *const end = w + 32;
  do {
    BPFREE_UNROLLED for (uint32_t k = 0; k < BPFREE_UNROLL; k++)
      sum = add_weight(sum, w[k], x0 + k * n, x1 + k * n, mu, word << k);
    w += BPFREE_UNROLL;
    x0 += BPFREE_UNROLL * n;
    x1 += BPFREE_UNROLL * n;
    word <<= BPFREE_UNROLL;
  } while (w != end);
  return sum;
}

/* One row of weights, word of signs by word. Only the first layer has one load for both sides; it has most weights,
 * so it alone is worth code where the others are not. */
static void row_paired(bpfree_signs *signs, float mu, const float *w, const float *x0, const float *x1,
                       uint32_t inputs, uint32_t n, float *y0, float *y1)
{
  const int shared = x0 == x1, unrolled = BPFREE_UNROLL > (shared ? 1 : 4);
  pair sum = {*(const bpfree_vector *)y0, *(const bpfree_vector *)y1};
  while (inputs) {
    if (signs->left == 0) bpfree_signs_refill(signs);
    uint32_t count = inputs < signs->left ? inputs : signs->left;
    inputs -= count;
    signs->left -= count;
    if (unrolled && count == 32) {
      sum = shared || BPFREE_UNROLL <= 4 ? add_word(sum, w, x0, x0, n, mu, signs->word)
                                         : add_word(sum, w, x0, x1, n, mu, signs->word);
      w += 32;
      x0 += 32 * n;
      x1 += 32 * n;
      continue; /* the word is used up: `left` is 0 */
    }
    for (; count; count--, x0 += n, x1 += n, signs->word <<= 1) sum = add_weight(sum, *w++, x0, x1, mu, signs->word);
  }
  *(bpfree_vector *)y0 = sum.plus;
  *(bpfree_vector *)y1 = sum.minus;
}

/* y += w x over inputs [0, count), weights that move or that do not, on one side. */
static void stretch_moved(bpfree_signs *signs, float mu, const float *w, const float *x, uint32_t count, uint32_t n,
                          float *y)
{
  bpfree_vector sum = *(const bpfree_vector *)y;
  while (count) {
    if (signs->left == 0) bpfree_signs_refill(signs);
    const uint32_t own = count < signs->left ? count : signs->left;
    uint32_t word = signs->word;
    for (uint32_t k = 0; k < own; k++, word <<= 1, x += n)
      sum += (*w++ + bpfree_signed(mu, word)) * *(const bpfree_vector *)x;
    signs->word = word;
    signs->left -= own;
    count -= own;
  }
  *(bpfree_vector *)y = sum;
}

static void stretch_plain(const float *w, const float *x, uint32_t count, uint32_t n, float *y)
{
  bpfree_vector sum = *(const bpfree_vector *)y;
  const float *const end = w + count, *const whole = end - count % BPFREE_UNROLL;
  for (; w != whole; w += BPFREE_UNROLL, x += BPFREE_UNROLL * n)
    BPFREE_UNROLLED for (uint32_t k = 0; k < BPFREE_UNROLL; k++) sum += w[k] * *(const bpfree_vector *)(x + k * n);
  for (; w != end; w++, x += n) sum += *w * *(const bpfree_vector *)x;
  *(bpfree_vector *)y = sum;
}

static uint32_t within(uint32_t k, uint32_t low, uint32_t high)
{
  return k < low ? low : k > high ? high : k;
}

/* Elements [first, first + count) of a slice that move, counted from first: all of
 * them where slices are not cut. */
static bpfree_span part_of(bpfree_span moved, uint32_t first, uint32_t count)
{
  bpfree_span part = {0, count};
  if (BPFREE_CUT_SLICES) {
    part.from = within(moved.from, first, first + count) - first;
    part.to = within(moved.to, first, first + count) - first;
  }
  return part;
}

/* One row of weights on one side; x lies in rows. */
static void row_single(bpfree_signs *signs, float mu, const float *w, const float *x, const bpfree_tensor *in,
                       uint32_t n, bpfree_span moved, float *y)
{
  const uint32_t size = in->size, row = bpfree_row(in);
  for (uint32_t first = 0; first < size; first += row, w += row) {
    const float *from = x + bpfree_place(in, first) * n;
    const bpfree_span own = part_of(moved, first, row);
    if (BPFREE_CUT_SLICES) stretch_plain(w, from, own.from, n, y);
    stretch_moved(signs, mu, w + own.from, from + own.from * n, own.to - own.from, n, y);
    if (BPFREE_CUT_SLICES) stretch_plain(w + own.to, from + own.to * n, row - own.to, n, y);
  }
}

/* The same on both sides at once, x in one row. */
static void row_both(bpfree_signs *signs, float mu, const float *w, const float *x0, const float *x1, uint32_t inputs,
                     uint32_t n, bpfree_span own, float *y0, float *y1)
{
  if (BPFREE_CUT_SLICES) {
    stretch_plain(w, x0, own.from, n, y0);
    stretch_plain(w, x1, own.from, n, y1);
  }
  row_paired(signs, mu, w + own.from, x0 + own.from * n, x1 + own.from * n, own.to - own.from, n, y0, y1);
  if (BPFREE_CUT_SLICES) {
    stretch_plain(w + own.to, x0 + own.to * n, inputs - own.to, n, y0);
    stretch_plain(w + own.to, x1 + own.to * n, inputs - own.to, n, y1);
  }
}

/* Weights are perturbed as they are read, for samples from s on: on one side, or
 * on both at once where x has one row. */
static void weights_on_read(const bpfree_pass *pass, const bpfree_node *node, uint32_t side, int paired, uint32_t s,
                            bpfree_span moved)
{
  const uint32_t n = bpfree_samples(pass), inputs = node->attributes[0];
  const bpfree_tensor *in = bpfree_input_tensor(pass, node, 0), *out = bpfree_result_tensor(pass, node);
  const bpfree_slice *slice = bpfree_node_slice(pass, node, 0);
  const float *w = bpfree_parameters(pass, slice), mu = side ? -pass->probe->mu : pass->probe->mu;
  const float *x0 = bpfree_input(pass, node, 0, side), *x1 = bpfree_input(pass, node, 0, 1);
  const uint32_t size = out->size, row = bpfree_row(out), other = out->side * n;
  bpfree_signs signs;
  bpfree_signs_start_at(&signs, pass->probe, slice, moved.from);
  for (uint32_t first = 0; first < size; first += row) {
    float *y0 = BPFREE_KERNEL(result_at)(pass, node, side, first), *y1 = y0 + other;
    if (paired)
      for (uint32_t o = s; o < row * n; o += n, w += inputs)
        row_both(&signs, mu, w, x0 + s, x1 + s, inputs, n, part_of(moved, (first + o / n) * inputs, inputs), y0 + o,
                 y1 + o);
    else
      for (uint32_t o = s; o < row * n; o += n, w += inputs)
        row_single(&signs, mu, w, x0 + s, in, n, part_of(moved, (first + o / n) * inputs, inputs), y0 + o);
  }
}

/* y += W x with weights as they are, rows and columns of W in which y and x have no gaps. One sample needs none of
 * the matrix product's blocks: a device takes row by row. */
static void product(float *y, const float *w, const float *x, uint32_t inputs, uint32_t rows, uint32_t columns,
                    uint32_t n)
{
#if BPFREE_LANES == 1
  for (const float *const end = y + rows; y != end; y++, w += inputs) stretch_plain(w, x, columns, n, y);
#else
  BPFREE_KERNEL(contract)(y, w, 1, inputs, x, rows, columns, n);
#endif
}

void BPFREE_KERNEL(op_linear)(const bpfree_pass *pass, const bpfree_node *node)
{
  const bpfree_tensor *in = bpfree_input_tensor(pass, node, 0), *out = bpfree_result_tensor(pass, node);
  const uint32_t n = bpfree_samples(pass), sides = bpfree_sides(pass, node), inputs = in->size, outputs = out->size;
  const uint32_t columns = bpfree_row(in), rows = bpfree_row(out);
  for (uint32_t side = 0; side < sides; side++) BPFREE_KERNEL(bias_rows)(pass, node, 1, side);
  const bpfree_span moved = bpfree_probed(pass, node, 0);
  if (moved.from < moved.to) {
    const int both = BPFREE_PAIRED && (!BPFREE_ONE_SIDED || sides == 2), paired = both && columns == inputs;
    for (uint32_t side = 0; side < (paired ? 1 : sides); side++)
      for (uint32_t s = 0; s < n; s += BPFREE_LANES) weights_on_read(pass, node, side, paired, s, moved);
    return;
  }
  const float *w = bpfree_parameters(pass, bpfree_node_slice(pass, node, 0));
  for (uint32_t side = 0; side < sides; side++)
    for (uint32_t o = 0; o < outputs; o += rows)
      for (uint32_t i = 0; i < inputs; i += columns)
        product(BPFREE_KERNEL(result_at)(pass, node, side, o), w + o * inputs + i,
                BPFREE_KERNEL(input_at)(pass, node, 0, side, i), inputs, rows, columns, n);
}

void BPFREE_KERNEL(jet_linear)(const bpfree_jets *jets, const bpfree_node *node)
{
  BPFREE_KERNEL(jet_layer)(jets, node, 1);
}
