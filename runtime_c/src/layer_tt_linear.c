/* SPDX-License-Identifier: MIT */
/* What looks into a tensor-train layer, by partial sweeps: W is never built.
 *
 * The gradient of the cores: what each product of the sweep starts from is kept, and delta is swept back through
 * them, into the same room; at each core the two meet. From the left one value of the first output index is finished
 * before the next begins, so the room is that many times smaller and the sums are the same.
 *
 * A column of W: the products of the cores of either half, and of their entries for one input a short product. */
#include "kernel.h"

#if BPFREE_LANES == 1
typedef struct train {
  uint32_t d;
  uint32_t from_right;
  const uint32_t *inputs;
  const uint32_t *outputs;
  const uint32_t *ranks;
} train;

/* One product of the sweep, with core k: (parts, inner, columns) to (parts, rows, columns). */
typedef struct product {
  uint32_t k;
  uint32_t parts;
  uint32_t rows;
  uint32_t inner;
  uint32_t columns;
} product;

static train train_of(const bpfree_node *node)
{
  const uint32_t *const word = node->attributes, d = word[0];
  return (train){d, word[1], word + 8, word + 8 + d, word + 8 + 2 * d};
}

static uint32_t total(const uint32_t *sizes, uint32_t first, uint32_t stop)
{
  uint32_t product = 1;
  for (uint32_t k = first; k < stop; k++) product *= sizes[k];
  return product;
}

static void zero(float *values, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) values[i] = 0.0f;
}

static uint32_t core_size(const train *t, uint32_t k)
{
  return t->ranks[k] * t->inputs[k] * t->outputs[k] * t->ranks[k + 1];
}

/* Number s of the sweep; from the left, of one value of the first output index. */
static product product_of(const train *t, uint32_t s)
{
  const uint32_t k = t->from_right ? t->d - 1 - s : s, left = t->ranks[k], right = t->ranks[k + 1];
  if (t->from_right)
    return (product){k, total(t->inputs, 0, k), left * t->outputs[k], t->inputs[k] * right,
                     total(t->outputs, k + 1, t->d)};
  return (product){k, s ? total(t->outputs, 1, k) : 1, s ? t->outputs[k] * right : right, left * t->inputs[k],
                   total(t->inputs, k + 1, t->d)};
}

static uint32_t slices_of(const train *t)
{
  return t->from_right ? 1 : t->outputs[0];
}

/* Floats before what product s > 0 starts from, among those kept; behind the last, of all. */
static uint32_t place_of(const train *t, uint32_t s)
{
  uint32_t floats = 0;
  for (uint32_t before = 1; before < s; before++) {
    const product p = product_of(t, before);
    floats += p.parts * p.inner * p.columns;
  }
  return floats;
}

/* An input that is too narrow has zeros behind it. */
static uint32_t padded_size(const train *t, uint32_t features)
{
  const uint32_t width = total(t->inputs, 0, t->d);
  return features < width ? width : 0;
}

/* A core that is swept from the right is turned. */
static uint32_t turned_size(const train *t)
{
  uint32_t largest = 0;
  for (uint32_t k = 0; t->from_right && k < t->d; k++)
    if (core_size(t, k) > largest) largest = core_size(t, k);
  return largest;
}

static uint32_t project_size(const bpfree_node *node)
{
  const train t = train_of(node);
  return padded_size(&t, node->attributes[3]) + turned_size(&t) + place_of(&t, t.d);
}

/* From the first element of core k to that of its row (or column) `m` and inner index `i` of the sweep's matrix. */
typedef struct steps {
  uint32_t m_size, m_far, m_near; /* m = far index * m_size + near index, and how far apart these lie in memory */
  uint32_t i_size, i_far, i_near;
} steps;

static steps steps_of(const train *t, uint32_t k)
{
  const uint32_t right = t->ranks[k + 1], output = right, input = t->outputs[k] * right, left = t->inputs[k] * input;
  if (t->from_right) return (steps){t->outputs[k], left, output, right, input, 1};
  return (steps){right, output, 1, t->inputs[k], left, input};
}

static uint32_t entry(const steps *by, uint32_t m, uint32_t i)
{
  return m / by->m_size * by->m_far + m % by->m_size * by->m_near + i / by->i_size * by->i_far +
         i % by->i_size * by->i_near;
}

/* The core as a matrix, entry (i, m) at i * *width + m. */
static const float *matrix_of(const bpfree_pass *pass, const bpfree_node *node, const train *t, const product *p,
                              uint32_t slice, float *turned, uint32_t *width)
{
  const float *const core = bpfree_parameters(pass, bpfree_node_slice(pass, node, p->k));
  *width = t->outputs[p->k] * (t->from_right ? t->ranks[p->k] : t->ranks[p->k + 1]);
  if (!t->from_right) return p->k ? core : core + slice * p->rows;
  const steps by = steps_of(t, p->k);
  for (uint32_t i = 0; i < p->inner; i++)
    for (uint32_t m = 0; m < p->rows; m++) turned[i * p->rows + m] = core[entry(&by, m, i)];
  return turned;
}

/* g += x^T delta of one part: sums over ascending columns. `first`: the row that delta begins with. */
static void meet(float *g, const steps *by, const product *p, uint32_t first, const float *delta, const float *x)
{
  for (uint32_t m = 0; m < p->rows; m++, delta += p->columns) {
    if (p->columns == 1 && *delta == 0.0f) continue;
    float *far = g + entry(by, first + m, 0);
    const float *row = x;
    for (uint32_t i = 0; i < p->inner; i += by->i_size, far += by->i_far)
      for (uint32_t j = 0; j < by->i_size; j++, row += p->columns) {
        float sum = far[j * by->i_near];
        for (uint32_t c = 0; c < p->columns; c++) sum += delta[c] * row[c];
        far[j * by->i_near] = sum;
      }
  }
}

/* What the products of a slice start from; the last one's result is y, which nobody needs. */
static void sweep(const bpfree_pass *pass, const bpfree_node *node, const train *t, uint32_t slice, const float *x,
                  float *turned, float *kept)
{
  for (uint32_t s = 0; s + 1 < t->d; s++) {
    const product p = product_of(t, s);
    uint32_t width;
    const float *const a = matrix_of(pass, node, t, &p, slice, turned, &width);
    float *const y = kept + place_of(t, s + 1);
    zero(y, p.parts * p.rows * p.columns);
    for (uint32_t part = 0; part < p.parts; part++)
      BPFREE_KERNEL(contract)(y + part * p.rows * p.columns, a, width, 1, x + part * p.inner * p.columns, p.rows,
                              p.inner, p.columns);
    x = y;
  }
}

/* Delta through the products of a slice, last to first, where it meets what they start from. */
static void sweep_back(const bpfree_pass *pass, const bpfree_node *node, const train *t, uint32_t slice,
                       const float *x, const float *delta, float *turned, float *kept, float *gradient)
{
  for (uint32_t s = t->d; s-- > 0;) {
    const product p = product_of(t, s);
    const bpfree_slice *const core = bpfree_node_slice(pass, node, p.k);
    const steps by = steps_of(t, p.k);
    uint32_t width;
    const float *const a = matrix_of(pass, node, t, &p, slice, turned, &width);
    float *const from = kept + place_of(t, s);
    for (uint32_t part = 0; part < p.parts; part++) {
      const float *const d = delta + part * p.rows * p.columns;
      const uint32_t at = part * p.inner * p.columns, first = s ? 0 : slice * p.rows;
      if (!core->frozen) meet(gradient + core->offset, &by, &p, first, d, (s ? from : x) + at);
      if (s == 0) continue;
      zero(from + at, p.inner * p.columns);
      BPFREE_KERNEL(contract)(from + at, a, 1, width, d, p.inner, p.rows, p.columns);
    }
    delta = from;
  }
}

static void project(const bpfree_pass *pass, const bpfree_node *node, const float *delta, float *gradient,
                    float *room)
{
  const train t = train_of(node);
  const float *x = bpfree_input(pass, node, 0, 0);
  const uint32_t features = node->attributes[3], padded = padded_size(&t, features), slices = slices_of(&t);
  const uint32_t outputs = total(t.outputs, 0, t.d);
  if (padded) {
    for (uint32_t i = 0; i < padded; i++) room[i] = i < features ? x[i] : 0.0f;
    x = room;
  }
  float *const turned = room + padded, *const kept = turned + turned_size(&t);
  for (uint32_t slice = 0; slice < slices; slice++) {
    sweep(pass, node, &t, slice, x, turned, kept);
    sweep_back(pass, node, &t, slice, x, delta + slice * (outputs / slices), turned, kept, gradient);
  }
  if (node->n_slices == t.d || bpfree_node_slice(pass, node, t.d)->frozen) return;
  gradient += bpfree_node_slice(pass, node, t.d)->offset;
  for (uint32_t o = 0; o < outputs; o++) gradient[o] += delta[o];
}

/* Floats of the largest product of up to `count` cores, the first of which is `first`: 0 where it is a core itself. */
static uint32_t product_size(const train *t, uint32_t first, uint32_t count)
{
  uint32_t largest = 0, rows = t->ranks[first];
  for (uint32_t k = first; k < first + count; k++) {
    rows *= t->inputs[k] * t->outputs[k];
    if (k > first && rows * t->ranks[k + 1] > largest) largest = rows * t->ranks[k + 1];
  }
  return largest;
}

static uint32_t middle_of(const train *t)
{
  return (t->d + 1) / 2;
}

static uint32_t column_size(const bpfree_node *node)
{
  const train t = train_of(node);
  const uint32_t middle = middle_of(&t), right = t.d - middle;
  const uint32_t above = product_size(&t, 0, middle - 1), beside = right ? product_size(&t, middle, right - 1) : 0;
  return product_size(&t, 0, middle) + product_size(&t, middle, right) + (above > beside ? above : beside);
}

/* The product of cores [first, stop), (r I O .. I O, r'): in `to`, or a core as it lies. */
static const float *multiply(const bpfree_pass *pass, const bpfree_node *node, const train *t, uint32_t first,
                             uint32_t stop, float *to, float *other)
{
  const float *found = bpfree_parameters(pass, bpfree_node_slice(pass, node, first));
  uint32_t rows = t->ranks[first] * t->inputs[first] * t->outputs[first];
  for (uint32_t k = first + 1; k < stop; k++) {
    const uint32_t inner = t->ranks[k], columns = core_size(t, k) / inner;
    float *const y = (stop - k) % 2 ? to : other;
    zero(y, rows * columns);
    BPFREE_KERNEL(contract)(y, found, 1, inner, bpfree_parameters(pass, bpfree_node_slice(pass, node, k)), rows, inner,
                            columns);
    rows *= t->inputs[k] * t->outputs[k];
    found = y;
  }
  return found;
}

/* Where input i and output o of cores [first, stop) lie in their product. */
static uint32_t entry_of_half(const train *t, uint32_t first, uint32_t stop, uint32_t i, uint32_t o)
{
  uint32_t at = 0, stride = t->ranks[stop];
  for (uint32_t k = stop; k-- > first; i /= t->inputs[k], o /= t->outputs[k]) {
    at += o % t->outputs[k] * stride;
    stride *= t->outputs[k];
    at += i % t->inputs[k] * stride;
    stride *= t->inputs[k];
  }
  return at;
}

static void halves(const bpfree_pass *pass, const bpfree_node *node, float *room)
{
  const train t = train_of(node);
  const uint32_t middle = middle_of(&t);
  float *const right = room + product_size(&t, 0, middle);
  float *const other = right + product_size(&t, middle, t.d - middle);
  multiply(pass, node, &t, 0, middle, room, other);
  if (middle < t.d) multiply(pass, node, &t, middle, t.d, right, other);
}

static void column(const bpfree_pass *pass, const bpfree_node *node, const float *room, uint32_t j, float *w)
{
  const train t = train_of(node);
  const uint32_t middle = middle_of(&t), rank = t.ranks[middle], wide = total(t.inputs, middle, t.d);
  const uint32_t left_size = product_size(&t, 0, middle), right_size = product_size(&t, middle, t.d - middle);
  const float *const core = bpfree_parameters(pass, bpfree_node_slice(pass, node, 0)), one = 1.0f;
  const float *const left = left_size ? room : core;
  const float *right = &one;
  if (right_size) right = room + left_size;
  else if (middle < t.d) right = bpfree_parameters(pass, bpfree_node_slice(pass, node, middle));
  const uint32_t above = total(t.outputs, 0, middle), beside = total(t.outputs, middle, t.d), apart = wide * beside;
  for (uint32_t o = 0; o < above; o++) {
    const float *const l = left + entry_of_half(&t, 0, middle, j / wide, o);
    for (uint32_t p = 0; p < beside; p++) {
      const float *const r = right + entry_of_half(&t, middle, t.d, j % wide, p);
      float sum = 0.0f;
      for (uint32_t k = 0; k < rank; k++) sum += l[k] * r[k * apart];
      *w++ = sum;
    }
  }
}

const bpfree_layer BPFREE_KERNEL(layer_tt_linear) = {project_size, project, column_size, halves, column};
#endif
