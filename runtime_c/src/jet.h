/* SPDX-License-Identifier: MIT */
/* What takes jets through nodes: where a stream is, and the jet of an elementwise op. */
#ifndef BPFREE_JET_H
#define BPFREE_JET_H

#include "kernel.h"
#include "streams.h"

/* Elements whose slope and curvature are held at a time: one on a device, in
 * registers; a few vectors on a host. */
#if BPFREE_LANES == 1
#define BPFREE_JET_CHUNK 1u
#else
#define BPFREE_JET_CHUNK 64u
#endif

/* Points of a pass: a constant where there is one lane, as bpfree_samples. */
static inline uint32_t bpfree_jet_points(const bpfree_jets *jets)
{
#if BPFREE_LANES == 1
  (void)jets;
  return 1;
#else
  return jets->n;
#endif
}

/* The kernel of a node on one stream. */
void BPFREE_KERNEL(jet_stream)(const bpfree_jets *jets, const bpfree_node *node, uint32_t stream);

/* A layer that is linear but for what is added to it in the end: its kernel on
 * each stream, of the derivatives only with the first `slices` of its parameters. */
void BPFREE_KERNEL(jet_layer)(const bpfree_jets *jets, const bpfree_node *node, uint32_t slices);

/* `count` floats of a tensor's stream: from sample `first` of an element on, which
 * may run on into the elements that lie behind it. */
typedef struct bpfree_chunk {
  uint32_t element;
  uint32_t first;
  uint32_t count;
} bpfree_chunk;

const float *BPFREE_KERNEL(chunk_in)(const bpfree_jets *jets, uint32_t number, uint32_t stream, bpfree_chunk chunk);
float *BPFREE_KERNEL(chunk_out)(const bpfree_jets *jets, uint32_t number, uint32_t stream, bpfree_chunk chunk);

/* A chunk of the derivatives behind an elementwise op from its slopes and
 * curvatures (count) there; curvature NULL: 0. */
void BPFREE_KERNEL(jet_chain)(const bpfree_jets *jets, const bpfree_node *node, bpfree_chunk chunk, const float *slope,
                              const float *curvature);

/* q[k] = sum of c d_a d_b of a form, k < count, from a chunk of the first
 * derivatives of tensor `number`. */
void BPFREE_KERNEL(jet_squares)(const bpfree_jets *jets, uint32_t number, const bpfree_form *form, bpfree_chunk chunk,
                                float *q);

/* The jet of y = f(x), from its slope and curvature: expressions of x and y.
 * May run in place. */
#define BPFREE_JET(name, f, slope, curvature) BPFREE_JET_OF(name, f, slope, curvature, 1)

/* The same where the curvature is 0. */
#define BPFREE_JET_STRAIGHT(name, f, slope) BPFREE_JET_OF(name, f, slope, 0.0f, 0)

#define BPFREE_JET_OF(name, f, slope, curvature, bends)                                          \
  void BPFREE_KERNEL(jet_##name)(const bpfree_jets *jets, const bpfree_node *node)                \
  {                                                                                               \
    BPFREE_PIECES(jets->model, node, element)                                                     \
    {                                                                                             \
      const uint32_t floats = bpfree_piece(jets->model, node) * bpfree_jet_points(jets);          \
      bpfree_chunk chunk = {element, 0, 0};                                                       \
      for (; chunk.first < floats; chunk.first += chunk.count) {                                  \
        const uint32_t left = floats - chunk.first;                                               \
        chunk.count = left < BPFREE_JET_CHUNK ? left : BPFREE_JET_CHUNK;                          \
        const float *in = BPFREE_KERNEL(chunk_in)(jets, node->inputs[0], 0, chunk);               \
        float *const out = BPFREE_KERNEL(chunk_out)(jets, node->output, 0, chunk);                \
        float once[BPFREE_JET_CHUNK], twice[BPFREE_JET_CHUNK];                                    \
        for (uint32_t k = 0; k < chunk.count; k++) {                                              \
          const float x = in[k], y = (f);                                                         \
          (void)x;                                                                                \
          once[k] = (slope);                                                                      \
          twice[k] = (curvature);                                                                 \
          out[k] = y;                                                                             \
        }                                                                                         \
        BPFREE_KERNEL(jet_chain)(jets, node, chunk, once, (bends) ? twice : NULL);                \
      }                                                                                           \
    }                                                                                             \
  }

#endif
