/* SPDX-License-Identifier: MIT */
/* What every kernel file shares: the vector type, its name per instruction
 * set, and where the tensors of a pass are. */
#ifndef BPFREE_KERNEL_H
#define BPFREE_KERNEL_H

#include "bpfree/estimators.h"
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

static inline const float *bpfree_input(const bpfree_pass *pass, const bpfree_node *node, uint32_t which,
                                        uint32_t side)
{
  const uint32_t number = node->input[which];
  const bpfree_tensor *t = &pass->model->tensors[number];
  return number == pass->model->input ? pass->x : pass->arena + (t->offset + side * t->side) * bpfree_samples(pass);
}

static inline float *bpfree_result(const bpfree_pass *pass, const bpfree_node *node, uint32_t side)
{
  const bpfree_tensor *t = &pass->model->tensors[node->output];
  return pass->arena + (t->offset + side * t->side) * bpfree_samples(pass);
}

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

static inline uint32_t bpfree_elements(const bpfree_pass *pass, const bpfree_node *node)
{
  return pass->model->tensors[node->output].size * bpfree_samples(pass);
}

/* y[m, :] = parameter k of the node, perturbed on read for this side; zeros
 * when the node has no such parameter. Shape (rows, n). */
void BPFREE_KERNEL(bias_rows)(const bpfree_pass *pass, const bpfree_node *node, uint32_t k, uint32_t side,
                              uint32_t rows, float *y);

/* y[m, c] += sum_k a[k * k_stride + m * m_stride] x[k, c]: one accumulator an
 * output, from its present value, k ascending. y (rows, columns), x (inner,
 * columns), any number of columns; multiples of BPFREE_LANES are fastest. */
void BPFREE_KERNEL(contract)(float *y, const float *a, uint32_t k_stride, uint32_t m_stride, const float *x,
                             uint32_t rows, uint32_t inner, uint32_t columns);

#endif
