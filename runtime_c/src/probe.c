/* SPDX-License-Identifier: MIT */
/* A whole perturbed copy of theta: for hosts, where one copy serves a batch. */
#include <stddef.h>
#include "normals.h"
#include "probe.h"
#include "signs.h"

/* Signs by shifting, without a carried state, so that the loop vectorises. */
static void perturb_word(float *out, const float *theta, float mu, uint32_t word, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) out[k] = theta[k] + bpfree_signed(mu, word << k);
}

static void add_signs(const bpfree_slice *slice, const float *theta, const bpfree_probe *probe, float *out)
{
  bpfree_signs signs;
  bpfree_signs_start(&signs, probe, slice, 0);
  for (uint32_t done = 0; done < slice->size;) {
    const uint32_t left = slice->size - done;
    bpfree_signs_refill(&signs);
    if (left >= 32)
      perturb_word(out + done, theta + done, probe->mu, signs.word, 32);
    else
      perturb_word(out + done, theta + done, probe->mu, signs.word, left);
    done += left < 32 ? left : 32;
  }
}

static void copy(float *out, const float *theta, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++) out[i] = theta[i];
}

/* Slices [first, stop) as theta has them, but for those that the probe is about to write. */
static void put_back(const bpfree_model *model, const float *theta, const bpfree_probe *probe, uint32_t first,
                     uint32_t stop, float *out)
{
  for (uint32_t k = first; k < stop; k++) {
    const bpfree_slice *slice = &model->slices[k];
    const int written = probe->direction != BPFREE_COORDINATE && k >= probe->first_slice &&
                        k - probe->first_slice < probe->n_slices;
    if (!slice->frozen && !written) copy(out + slice->offset, theta + slice->offset, slice->size);
  }
}

int bpfree_move(const bpfree_model *model, const float *theta, const bpfree_probe *before, const bpfree_probe *probe,
                float *out)
{
  const uint32_t first = probe->first_slice, stop = first + probe->n_slices;
  if (stop < first || stop > model->n_slices || probe->direction > BPFREE_HADAMARD) return BPFREE_ERR_ARG;
  if (probe->direction == BPFREE_COORDINATE && probe->element >= model->n_theta) return BPFREE_ERR_ARG;
  if (!before)
    put_back(model, theta, probe, 0, model->n_slices, out);
  else if (before->direction == BPFREE_COORDINATE)
    out[before->element] = theta[before->element];
  else
    put_back(model, theta, probe, before->first_slice, before->first_slice + before->n_slices, out);
  if (probe->direction == BPFREE_COORDINATE) {
    out[probe->element] = theta[probe->element] + probe->mu;
    return BPFREE_OK;
  }
  const int signs = probe->direction == BPFREE_RADEMACHER || probe->direction == BPFREE_HADAMARD;
  const float radius = signs ? probe->mu : probe->mu * bpfree_draw(model, probe, out);
  for (uint32_t k = first; k < stop; k++) {
    const bpfree_slice *slice = &model->slices[k];
    const float *from = theta + slice->offset;
    float *to = out + slice->offset;
    if (slice->frozen) continue;
    if (signs)
      add_signs(slice, from, probe, to);
    else
      for (uint32_t i = 0; i < slice->size; i++) to[i] = from[i] + radius * to[i];
  }
  return BPFREE_OK;
}

int bpfree_perturb(const bpfree_model *model, const float *theta, const bpfree_probe *probe, float *out)
{
  return bpfree_move(model, theta, NULL, probe, out);
}
