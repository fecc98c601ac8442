/* SPDX-License-Identifier: MIT */
/* A jet from the points to the output, node by node. */
#include "streams.h"

int bpfree_streams_check(const bpfree_streams *streams, uint32_t features)
{
  if (!streams || (streams->n_forms && !streams->forms)) return BPFREE_ERR_ARG;
  if (!streams->directions && streams->n_first > features) return BPFREE_ERR_ARG;
  const uint32_t n = streams->n_first;
  for (uint32_t f = 0; f < streams->n_forms; f++) {
    const bpfree_form *form = &streams->forms[f];
    if (form->count == 0) return BPFREE_ERR_ARG;
    if (!form->terms && (form->first >= n || form->count > n - form->first)) return BPFREE_ERR_ARG;
    for (uint32_t t = 0; form->terms && t < form->count; t++)
      if (form->terms[t].a >= n || form->terms[t].b >= n) return BPFREE_ERR_ARG;
  }
  return BPFREE_OK;
}

uint32_t bpfree_jets_size(const bpfree_model *model, const bpfree_streams *streams, uint32_t n)
{
  const uint64_t count = bpfree_stream_count(streams), features = model->tensors[model->input].size;
  const uint64_t sample = count * bpfree_stream_stride(model) + (count - 1) * features;
  const uint64_t most = UINT32_MAX - (uint64_t)model->arena_fixed;
  return n && sample > most / n ? 0 : (uint32_t)(sample * n + model->arena_fixed);
}

/* d_a x = directions[a], and no second derivatives. */
static void start(const bpfree_jets *jets)
{
  const bpfree_streams *streams = jets->streams;
  const uint32_t features = jets->model->tensors[jets->model->input].size, n = jets->n;
  for (uint32_t a = 0; a < streams->n_first + streams->n_forms; a++) {
    float *to = bpfree_stream_points(jets, 1u + a);
    for (uint32_t i = 0; i < features; i++) {
      float value = 0.0f;
      if (a < streams->n_first)
        value = streams->directions ? streams->directions[(size_t)a * features + i] : (i == a ? 1.0f : 0.0f);
      for (uint32_t s = 0; s < n; s++) *to++ = value;
    }
  }
}

void bpfree_jets_run(const bpfree_jets *jets)
{
  start(jets);
  for (uint32_t k = 0; k < jets->model->n_nodes; k++) jets->through[k](jets, &jets->model->nodes[k]);
}

const float *bpfree_jets_output(const bpfree_jets *jets, uint32_t stream)
{
  return bpfree_jet_in(jets, jets->model->output, stream);
}
