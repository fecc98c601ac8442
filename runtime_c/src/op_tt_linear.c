/* SPDX-License-Identifier: MIT */
/* Tensor-train layer: W[(i1..id), (o1..od)] = G1[:, i1, o1, :] .. Gd[:, id, od, :],
 * y = x W + b, core by core, W never built.
 * Attributes: {d, from_right, keep, features, second, padded, part, whole,
 * I1..Id, O1..Od, r0..rd}; from_right chooses the sweep, keep says whether there
 * is room for all cores; second, padded, part and whole are offsets into the
 * scratch. Slices: cores (r, I, O, r') in C order, then bias unless absent. An
 * input narrower than prod(I) is padded with zeros.
 *
 * The sweep is sliced: it finishes one value of the output index it produces
 * first before it starts the next, so the intermediates are that many times
 * smaller and the sums the same. Scratch per sample: two buffers in turn, the
 * padded input, one slice of the result, all of it where it lies in rows with
 * gaps; besides, room for one core, loaded again for every slice, or for all
 * (keep), where that would cost too much. */
#include "jet.h"
#include "signs.h"

typedef struct train {
  uint32_t d;
  uint32_t from_right;
  uint32_t keep;
  const uint32_t *inputs;
  const uint32_t *outputs;
  const uint32_t *ranks;
} train;

static uint32_t product(const uint32_t *sizes, uint32_t first, uint32_t stop)
{
  uint32_t total = 1;
  for (uint32_t k = first; k < stop; k++) total *= sizes[k];
  return total;
}

static void zero(float *values, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) values[i] = 0.0f;
}

/* Core k as this side sees it, ready to contract: left to right as stored,
 * ((r, i), (o, r')); right to left as ((i, r'), (r, o)). Copied to `room` only
 * when it differs from what theta holds, and only for the first of the slices
 * when cores are kept. */
static const float *load_core(const bpfree_pass *pass, const bpfree_node *node, const train *t, uint32_t k,
                              uint32_t side, uint32_t slice_number, float *room)
{
  const bpfree_slice *slice = bpfree_node_slice(pass, node, k);
  const float *core = bpfree_parameters(pass, slice);
  const bpfree_span moved = bpfree_probed(pass, node, k);
  const int probed = moved.from < moved.to;
  if (!probed && !t->from_right) return core;
  if (t->keep) {
    for (uint32_t before = 0; before < k; before++) room += bpfree_node_slice(pass, node, before)->size;
    if (slice_number) return room;
  }
  const float mu = probed ? (side ? -pass->probe->mu : pass->probe->mu) : 0.0f;
  bpfree_signs signs = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  if (probed) bpfree_signs_start_at(&signs, pass->probe, slice, moved.from);
  if (!t->from_right) {
    uint32_t j = 0;
    for (; j < moved.from; j++) room[j] = core[j];
    for (; j < moved.to; j++) room[j] = core[j] + bpfree_signs_next(&signs, mu);
    for (; j < slice->size; j++) room[j] = core[j];
    return room;
  }
  const float *const first = core + moved.from;
  const uint32_t r0 = t->ranks[k], r1 = t->ranks[k + 1], ni = t->inputs[k], no = t->outputs[k];
  for (uint32_t r = 0; r < r0; r++)
    for (uint32_t i = 0; i < ni; i++)
      for (uint32_t o = 0; o < no; o++) {
        float *to = room + (i * r1 * r0 + r) * no + o;
        for (uint32_t left = r1; left; left--, core++, to += r0 * no)
          *to = probed && bpfree_in_span(moved, (uint32_t)(core - first)) ? *core + bpfree_signs_next(&signs, mu) : *core;
      }
  return room;
}

/* One value o1 of the first output index; y is that part of the result. */
static void sweep_from_left(const bpfree_pass *pass, const bpfree_node *node, const train *t, uint32_t side,
                            uint32_t o1, const float *x, float *y, float *buffer[2], float *room)
{
  const uint32_t n = bpfree_samples(pass), d = t->d;
  uint32_t produced = 1;                             /* values of o2..ok so far */
  uint32_t rest = product(t->inputs, 1, d);          /* values of i(k+1)..id */
  for (uint32_t k = 0; k < d; k++) {
    const float *core = load_core(pass, node, t, k, side, o1, room);
    const uint32_t inner = t->ranks[k] * t->inputs[k], width = t->outputs[k] * t->ranks[k + 1];
    const uint32_t rows = k ? width : t->ranks[1];
    float *out = k + 1 == d ? y : buffer[k & 1];
    if (k + 1 != d) zero(out, produced * rows * rest * n);
    for (uint32_t p = 0; p < produced; p++)
      BPFREE_KERNEL(contract)(out + p * rows * rest * n, k ? core : core + o1 * t->ranks[1], width, 1,
                              x + p * inner * rest * n, rows, inner, rest * n);
    if (k) produced *= t->outputs[k];
    if (k + 1 < d) rest /= t->inputs[k + 1];
    x = out;
  }
}

/* One value od of the last output index; y is (o1..o(d-1)) for it. */
static void sweep_from_right(const bpfree_pass *pass, const bpfree_node *node, const train *t, uint32_t side,
                             uint32_t od, const float *x, float *y, float *buffer[2], float *room)
{
  const uint32_t n = bpfree_samples(pass), d = t->d;
  uint32_t produced = 1;                             /* values of ok..o(d-1) so far */
  uint32_t prefix = product(t->inputs, 0, d);        /* values of i1..ik */
  for (uint32_t k = d; k-- > 0;) {
    const float *core = load_core(pass, node, t, k, side, od, room);
    const int first = k + 1 == d;
    const uint32_t inner = t->inputs[k] * t->ranks[k + 1], width = t->ranks[k] * t->outputs[k];
    const uint32_t rows = first ? t->ranks[k] : width;
    float *out = k ? buffer[(d - 1 - k) & 1] : y;
    prefix /= t->inputs[k];
    if (k) zero(out, prefix * rows * produced * n);
    for (uint32_t p = 0; p < prefix; p++)
      BPFREE_KERNEL(contract)(out + p * rows * produced * n, first ? core + od : core, width,
                              first ? t->outputs[k] : 1, x + p * inner * produced * n, rows, inner, produced * n);
    if (!first) produced *= t->outputs[k];
    x = out;
  }
}

static void copy_rows(float *to, uint32_t to_stride, const float *from, uint32_t from_stride, uint32_t rows,
                      uint32_t n)
{
  for (uint32_t m = 0; m < rows; m++)
    for (uint32_t s = 0; s < n; s++) to[m * to_stride * n + s] = from[m * from_stride * n + s];
}

/* An input that is too narrow, or has gaps, copied without them and zeros behind it. */
static const float *padded_input(const bpfree_pass *pass, const bpfree_node *node, uint32_t side, float *padded,
                                 uint32_t width)
{
  const bpfree_tensor *in = bpfree_input_tensor(pass, node, 0);
  const uint32_t n = bpfree_samples(pass);
  if (bpfree_row(in) == width) return bpfree_input(pass, node, 0, side);
  for (uint32_t i = 0; i < in->size; i += bpfree_row(in))
    copy_rows(padded + i * n, 1, BPFREE_KERNEL(input_at)(pass, node, 0, side, i), 1, bpfree_row(in), n);
  zero(padded + in->size * n, (width - in->size) * n);
  return padded;
}

/* One side's result y, which holds the bias. */
static void sweep(const bpfree_pass *pass, const bpfree_node *node, const train *t, uint32_t side, const float *x,
                  float *y, float *buffer[2], float *part)
{
  const uint32_t n = bpfree_samples(pass), slices = t->outputs[t->from_right ? t->d - 1 : 0];
  const uint32_t rows = product(t->outputs, 0, t->d) / slices;
  float *const room = pass->arena + pass->model->arena_sample * n;
  for (uint32_t slice = 0; slice < slices; slice++) {
    if (!t->from_right) {
      sweep_from_left(pass, node, t, side, slice, x, y + slice * rows * n, buffer, room);
    } else if (slices == 1) {
      sweep_from_right(pass, node, t, side, slice, x, y, buffer, room);
    } else { /* this slice's results lie `slices` rows apart */
      copy_rows(part, 1, y + slice * n, slices, rows, n);
      sweep_from_right(pass, node, t, side, slice, x, part, buffer, room);
      copy_rows(y + slice * n, slices, part, 1, rows, n);
    }
  }
}

void BPFREE_KERNEL(op_tt_linear)(const bpfree_pass *pass, const bpfree_node *node)
{
  const uint32_t *const word = node->attributes, d = word[0], n = bpfree_samples(pass);
  const train t = {d, word[1], word[2], word + 8, word + 8 + d, word + 8 + 2 * d};
  const bpfree_tensor *out = bpfree_result_tensor(pass, node);
  float *const scratch = pass->arena + node->scratch * n;
  float *buffer[2] = {scratch, scratch + word[4] * n};
  float *const padded = scratch + word[5] * n, *const part = scratch + word[6] * n, *const whole = scratch + word[7] * n;
  const uint32_t width = product(t.inputs, 0, d), sides = bpfree_sides(pass, node);
  for (uint32_t side = 0; side < sides; side++) {
    const float *const x = padded_input(pass, node, side, padded, width);
    BPFREE_KERNEL(bias_rows)(pass, node, d, side);
    if (bpfree_row(out) == out->size) {
      sweep(pass, node, &t, side, x, bpfree_result(pass, node, side), buffer, part);
      continue;
    }
    for (uint32_t o = 0; o < out->size; o += bpfree_row(out))
      copy_rows(whole + o * n, 1, BPFREE_KERNEL(result_at)(pass, node, side, o), 1, bpfree_row(out), n);
    sweep(pass, node, &t, side, x, whole, buffer, part);
    for (uint32_t o = 0; o < out->size; o += bpfree_row(out))
      copy_rows(BPFREE_KERNEL(result_at)(pass, node, side, o), 1, whole + o * n, 1, bpfree_row(out), n);
  }
}

void BPFREE_KERNEL(jet_tt_linear)(const bpfree_jets *jets, const bpfree_node *node)
{
  BPFREE_KERNEL(jet_layer)(jets, node, node->attributes[0]);
}
