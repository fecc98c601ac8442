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

static void add_signs(const bpfree_slice *slice, bpfree_span moved, const float *theta,
                      const struct bpfree_probe *probe, float *out)
{
  bpfree_signs signs;
  bpfree_signs_start_at(&signs, probe, slice, moved.from);
  for (uint32_t done = moved.from, n; done < moved.to; done += n, signs.left = 0) {
    const uint32_t left = moved.to - done;
    if (signs.left == 0) bpfree_signs_refill(&signs);
    n = left < signs.left ? left : signs.left;
    if (n == 32)
      perturb_word(out + done, theta + done, probe->mu, signs.word, 32);
    else
      perturb_word(out + done, theta + done, probe->mu, signs.word, n);
  }
}

/* Elements [first, stop) of theta to out, but for those that the probe is about to write. */
static void put_back(const float *theta, const struct bpfree_probe *probe, uint32_t first, uint32_t stop, float *out)
{
  const bpfree_range own = bpfree_range_of(probe);
  for (uint32_t i = first; i < stop && i < own.first; i++) out[i] = theta[i];
  const uint32_t behind = own.first + own.count;
  for (uint32_t i = first < behind ? behind : first; i < stop; i++) out[i] = theta[i];
}

int bpfree_move(const bpfree_model *model, const float *theta, const struct bpfree_probe *before,
                const struct bpfree_probe *probe, float *out)
{
  const bpfree_range own = bpfree_range_of(probe), all = {0, model->n_theta};
  const bpfree_range old = before ? bpfree_range_of(before) : all;
  if (own.first > all.count || own.count > all.count - own.first || probe->direction > BPFREE_HADAMARD)
    return BPFREE_ERR_ARG;
  put_back(theta, probe, old.first, old.first + old.count, out);
  if (probe->direction == BPFREE_COORDINATE) {
    out[probe->element] = theta[probe->element] + probe->mu;
    return BPFREE_OK;
  }
  const int signs = probe->direction == BPFREE_RADEMACHER || probe->direction == BPFREE_HADAMARD;
  if (!signs) {
    const float radius = probe->mu * bpfree_draw(model, probe, out);
    for (uint32_t i = own.first; i < own.first + own.count; i++) out[i] = theta[i] + radius * out[i];
  }
  for (uint32_t k = 0; signs && k < model->n_slices; k++) {
    const bpfree_slice *slice = &model->slices[k];
    const bpfree_span moved = bpfree_span_of(slice, own.first, own.count);
    if (moved.from < moved.to) add_signs(slice, moved, theta + slice->offset, probe, out + slice->offset);
  }
  return BPFREE_OK;
}

int bpfree_perturb(const bpfree_model *model, const float *theta, const struct bpfree_probe *probe, float *out)
{
  return bpfree_move(model, theta, NULL, probe, out);
}
