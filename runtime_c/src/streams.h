/* SPDX-License-Identifier: MIT */
/* Where the streams of a jet lie in its work: derivatives of the points, one
 * arena for each stream, and the room behind an arena once for all of them. */
#ifndef BPFREE_STREAMS_H
#define BPFREE_STREAMS_H

#include <stddef.h>
#include "bpfree/pde.h"

static inline uint32_t bpfree_stream_count(const bpfree_streams *streams)
{
  return 1u + streams->n_first + streams->n_forms;
}

/* Floats a sample from one stream to the next: odd, since powers of two would
 * put all streams of an element into the same few lines of a cache. */
static inline uint32_t bpfree_stream_stride(const bpfree_model *model) { return model->arena_sample | 1u; }

static inline float *bpfree_stream_arena(const bpfree_jets *jets, uint32_t stream)
{
  return jets->work + (size_t)bpfree_stream_stride(jets->model) * stream * jets->n;
}

/* Derivatives of the points themselves, stream >= 1: behind the arenas and their room. */
static inline float *bpfree_stream_points(const bpfree_jets *jets, uint32_t stream)
{
  const bpfree_model *model = jets->model;
  return bpfree_stream_arena(jets, bpfree_stream_count(jets->streams)) + model->arena_fixed +
         (size_t)model->tensors[model->input].size * (stream - 1u) * jets->n;
}

/* A tensor's stream, from its first element on. */
static inline const float *bpfree_jet_in(const bpfree_jets *jets, uint32_t number, uint32_t stream)
{
  const bpfree_model *model = jets->model;
  if (number == model->input) return stream ? bpfree_stream_points(jets, stream) : jets->x;
  return bpfree_stream_arena(jets, stream) + (size_t)model->tensors[number].offset * jets->n;
}

/* The same of what a node makes. */
static inline float *bpfree_jet_out(const bpfree_jets *jets, uint32_t number, uint32_t stream)
{
  return bpfree_stream_arena(jets, stream) + (size_t)jets->model->tensors[number].offset * jets->n;
}

#endif
