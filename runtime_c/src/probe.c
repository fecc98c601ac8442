/* SPDX-License-Identifier: MIT */
/* A whole perturbed copy of theta: for hosts, where one copy serves a batch. */
#include "bpfree/model.h"
#include "signs.h"

/* Signs by shifting, without a carried state, so that the loop vectorises. */
static void perturb_word(float *out, const float *theta, float mu, uint32_t word, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) out[k] = theta[k] + bpfree_signed(mu, word << k);
}

static void perturb_slice(const bpfree_slice *slice, const float *theta, const bpfree_probe *probe, float *out)
{
  bpfree_signs signs;
  bpfree_signs_start(&signs, probe, slice->first_block);
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

int bpfree_perturb(const bpfree_model *model, const float *theta, const bpfree_probe *probe, float *out)
{
  const uint32_t first = probe->first_slice, stop = first + probe->n_slices;
  if (stop < first || stop > model->n_slices) return BPFREE_ERR_ARG;
  for (uint32_t k = 0; k < model->n_slices; k++) {
    const bpfree_slice *slice = &model->slices[k];
    if (slice->frozen) continue;
    if (k >= first && k < stop)
      perturb_slice(slice, theta + slice->offset, probe, out + slice->offset);
    else
      for (uint32_t i = 0; i < slice->size; i++) out[slice->offset + i] = theta[slice->offset + i];
  }
  return BPFREE_OK;
}
