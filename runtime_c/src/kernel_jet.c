/* SPDX-License-Identifier: MIT */
/* What the ops share in taking jets through: layers and the chain rule. */
#include "jet.h"

/* Elements of a chunk: a constant where there is one, so that a device compiles no loops over it. */
#if BPFREE_LANES == 1
#define FOR_EACH(k, count) for (uint32_t k = 0; (void)(count), k < 1; k++)
#else
#define FOR_EACH(k, count) for (uint32_t k = 0; k < (count); k++)
#endif

static size_t place_of(const bpfree_jets *jets, uint32_t number, bpfree_chunk chunk)
{
  return (size_t)bpfree_place(&jets->model->tensors[number], chunk.element) * bpfree_jet_points(jets) + chunk.first;
}

const float *BPFREE_KERNEL(chunk_in)(const bpfree_jets *jets, uint32_t number, uint32_t stream, bpfree_chunk chunk)
{
  return bpfree_jet_in(jets, number, stream) + place_of(jets, number, chunk);
}

float *BPFREE_KERNEL(chunk_out)(const bpfree_jets *jets, uint32_t number, uint32_t stream, bpfree_chunk chunk)
{
  return bpfree_jet_out(jets, number, stream) + place_of(jets, number, chunk);
}

void BPFREE_KERNEL(jet_stream)(const bpfree_jets *jets, const bpfree_node *node, uint32_t stream)
{
  /* kernels look for their room behind the arena: that of every stream is behind the last one */
  bpfree_model model = *jets->model;
  model.arena_sample = (bpfree_stream_count(jets->streams) - stream) * bpfree_stream_stride(jets->model);
  const float *x = bpfree_jet_in(jets, model.input, stream);
  float *const arena = bpfree_stream_arena(jets, stream);
  const bpfree_pass pass = {&model, jets->theta, NULL, x, arena, bpfree_jet_points(jets), 1};
  node->kernel(&pass, node);
}

void BPFREE_KERNEL(jet_layer)(const bpfree_jets *jets, const bpfree_node *node, uint32_t slices)
{
  bpfree_node linear = *node;
  if (linear.n_slices > slices) linear.n_slices = slices;
  for (uint32_t s = 0; s < bpfree_stream_count(jets->streams); s++)
    BPFREE_KERNEL(jet_stream)(jets, s ? &linear : node, s);
}

void BPFREE_KERNEL(jet_squares)(const bpfree_jets *jets, uint32_t number, const bpfree_form *form, bpfree_chunk chunk,
                                float *q)
{
  for (uint32_t t = 0; t < form->count; t++) {
    const uint32_t own = form->first + t;
    const float *a = BPFREE_KERNEL(chunk_in)(jets, number, 1u + (form->terms ? form->terms[t].a : own), chunk);
    const float *b = BPFREE_KERNEL(chunk_in)(jets, number, 1u + (form->terms ? form->terms[t].b : own), chunk);
    const float c = form->terms ? form->terms[t].c : 1.0f;
    if (t == 0)
      FOR_EACH(k, chunk.count) q[k] = c * a[k] * b[k];
    else
      FOR_EACH(k, chunk.count) q[k] += c * a[k] * b[k];
  }
}

void BPFREE_KERNEL(jet_chain)(const bpfree_jets *jets, const bpfree_node *node, bpfree_chunk chunk, const float *slope,
                              const float *curvature)
{
  const bpfree_streams *streams = jets->streams;
  /* forms first: they need the first derivatives of the input, and these may lie where those of the output go */
  for (uint32_t f = 0; f < streams->n_forms; f++) {
    const float *in = BPFREE_KERNEL(chunk_in)(jets, node->inputs[0], 1u + streams->n_first + f, chunk);
    float *out = BPFREE_KERNEL(chunk_out)(jets, node->output, 1u + streams->n_first + f, chunk);
    float q[BPFREE_JET_CHUNK];
    if (curvature) {
      BPFREE_KERNEL(jet_squares)(jets, node->inputs[0], &streams->forms[f], chunk, q);
      FOR_EACH(k, chunk.count) out[k] = slope[k] * in[k] + curvature[k] * q[k];
    } else {
      FOR_EACH(k, chunk.count) out[k] = slope[k] * in[k];
    }
  }
  for (uint32_t a = 1; a <= streams->n_first; a++) {
    const float *in = BPFREE_KERNEL(chunk_in)(jets, node->inputs[0], a, chunk);
    float *out = BPFREE_KERNEL(chunk_out)(jets, node->output, a, chunk);
    FOR_EACH(k, chunk.count) out[k] = slope[k] * in[k];
  }
}
