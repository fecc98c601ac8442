/* SPDX-License-Identifier: MIT */
/* What every kernel file shares: the vector type, its name per instruction
 * set, and where the tensors of a pass are. */
#ifndef BPFREE_KERNEL_H
#define BPFREE_KERNEL_H

#include "bpfree/estimators.h"
#include "places.h"
#include "span.h"

/* The host compiles one source once per instruction set; the suffix keeps the
 * symbols apart. A device compiles it once, without a suffix. */
#ifdef BPFREE_ISA
#define BPFREE_PASTE2(name, isa) bpfree_##name##_##isa
#define BPFREE_PASTE(name, isa) BPFREE_PASTE2(name, isa)
#define BPFREE_KERNEL(name) BPFREE_PASTE(name, BPFREE_ISA)
#else
#define BPFREE_KERNEL(name) bpfree_##name
#endif

/* BPFREE_LANES samples. Arithmetic on it is elementwise, so every lane rounds
 * exactly as the scalar build does: vectors run over samples, never across a
 * sum. */
#if BPFREE_LANES == 1
typedef float bpfree_vector;
#else
typedef float bpfree_vector __attribute__((vector_size(4 * BPFREE_LANES), may_alias));
#endif

/* Samples of a pass: a constant where there is one lane, so that a device
 * compiles loops over one sample, strides and all. */
static inline uint32_t bpfree_samples(const bpfree_pass *pass)
{
#if BPFREE_LANES == 1
  (void)pass;
  return 1;
#else
  return pass->n;
#endif
}

/* Sides a node has to compute: 1 when both would be the same. */
static inline uint32_t bpfree_sides(const bpfree_pass *pass, const bpfree_node *node)
{
  return pass->model->tensors[node->output].side ? pass->sides : 1u;
}

/* The first element of an input, and of the result. */
static inline const float *bpfree_input(const bpfree_pass *pass, const bpfree_node *node, uint32_t which,
                                        uint32_t side)
{
  const uint32_t number = node->inputs[which];
  const bpfree_tensor *t = &pass->model->tensors[number];
  return number == pass->model->input ? pass->x : pass->arena + (t->offset + side * t->side) * bpfree_samples(pass);
}

static inline float *bpfree_result(const bpfree_pass *pass, const bpfree_node *node, uint32_t side)
{
  const bpfree_tensor *t = &pass->model->tensors[node->output];
  return pass->arena + (t->offset + side * t->side) * bpfree_samples(pass);
}

/* The tensor of an input, and that of the result. */
static inline const bpfree_tensor *bpfree_input_tensor(const bpfree_pass *pass, const bpfree_node *node, uint32_t which)
{
  return &pass->model->tensors[node->inputs[which]];
}

static inline const bpfree_tensor *bpfree_result_tensor(const bpfree_pass *pass, const bpfree_node *node)
{
  return &pass->model->tensors[node->output];
}

/* The samples of element `first`, and behind them those of what follows it in its
 * row. Calls where there are gaps: inlined they would cost every kernel flash. */
#if BPFREE_GAPS
const float *BPFREE_KERNEL(input_at)(const bpfree_pass *pass, const bpfree_node *node, uint32_t which, uint32_t side,
                                     uint32_t first);
float *BPFREE_KERNEL(result_at)(const bpfree_pass *pass, const bpfree_node *node, uint32_t side, uint32_t first);
#else
static inline const float *BPFREE_KERNEL(input_at)(const bpfree_pass *pass, const bpfree_node *node, uint32_t which,
                                                   uint32_t side, uint32_t first)
{
  return bpfree_input(pass, node, which, side) + first * bpfree_samples(pass);
}

static inline float *BPFREE_KERNEL(result_at)(const bpfree_pass *pass, const bpfree_node *node, uint32_t side,
                                              uint32_t first)
{
  return bpfree_result(pass, node, side) + first * bpfree_samples(pass);
}
#endif

static inline const bpfree_slice *bpfree_node_slice(const bpfree_pass *pass, const bpfree_node *node, uint32_t k)
{
  return &pass->model->slices[node->first_slice + k];
}

static inline const float *bpfree_parameters(const bpfree_pass *pass, const bpfree_slice *slice)
{
  return (slice->frozen ? pass->model->frozen : pass->theta) + slice->offset;
}

/* What the probe of this pass moves of parameter k of the node. */
static inline bpfree_span bpfree_probed(const bpfree_pass *pass, const bpfree_node *node, uint32_t k)
{
  const bpfree_span none = {0, 0};
  if (!BPFREE_PROBE_ON_READ || !pass->probe) return none;
  return bpfree_span_of(bpfree_node_slice(pass, node, k), pass->probe->first, pass->probe->count);
}

/* Every element of the node's result = fl(p + 0), p the same element of its parameter
 * k, perturbed on read for this side; 0 when the node has no such parameter. */
void BPFREE_KERNEL(bias_rows)(const bpfree_pass *pass, const bpfree_node *node, uint32_t k, uint32_t side);

/* y[m, c] += sum_k a[k * k_stride + m * m_stride] x[k, c]: one accumulator an
 * output, from its present value, k ascending. y (rows, columns), x (inner,
 * columns), any number of columns; multiples of BPFREE_LANES are fastest. */
void BPFREE_KERNEL(contract)(float *y, const float *a, uint32_t k_stride, uint32_t m_stride, const float *x,
                             uint32_t rows, uint32_t inner, uint32_t columns);

/* The same for some of the columns; rows of x and y lie `stride` floats apart. */
void BPFREE_KERNEL(contract_part)(float *y, const float *a, uint32_t k_stride, uint32_t m_stride, const float *x,
                                  uint32_t rows, uint32_t inner, uint32_t columns, uint32_t stride);

#endif
