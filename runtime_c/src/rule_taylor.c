/* SPDX-License-Identifier: MIT */
/* Derivatives that travel through the network beside the value: exact to
 * rounding. No settings; streams of any kind. */
#include "streams.h"

static int check(const bpfree_pde *pde)
{
  if (!pde->through) return BPFREE_ERR_ARG;
  for (uint32_t k = 0; k < pde->model->n_nodes; k++)
    if (!pde->through[k]) return BPFREE_ERR_ARG; /* an op without a jet */
  return BPFREE_OK;
}

static uint64_t work(const bpfree_pde *pde, uint32_t n)
{
  const uint32_t floats = bpfree_jets_size(pde->model, pde->streams, n);
  return floats ? floats : UINT64_C(1) << 32; /* more than anybody has */
}

static void jet(const bpfree_pde *pde, const float *theta, const float *x, uint32_t n, float *room, float *to)
{
  const bpfree_jets jets = {pde->model, pde->through, pde->streams, theta, x, room, n};
  const uint32_t width = pde->model->tensors[pde->model->output].size * n;
  bpfree_jets_run(&jets);
  for (uint32_t s = 0; s < bpfree_stream_count(pde->streams); s++) {
    const float *from = bpfree_jets_output(&jets, s);
    for (uint32_t k = 0; k < width; k++) *to++ = from[k];
  }
}

const bpfree_rule bpfree_rule_taylor = {check, work, jet};
