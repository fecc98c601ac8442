/* SPDX-License-Identifier: MIT */
/* g <- fl(g / s), the scalar s = max(std, floor rms) of the step's difference
 * quotients: its coefficients, cut, times n_queries where g is their mean. In
 * units of the largest, so that no square over- or underflows. Settings {floor},
 * one scalar. */
#include "kernel.h"
#include "clip.h"
#include "sqrt32.h"

static float deviation(const bpfree_trainer *t, const float *coefficients, float floor)
{
  const uint32_t count = bpfree_record_size(t);
  const float n = (float)count;
  float largest = 0.0f, sum = 0.0f, squares = 0.0f, beside = 0.0f;
  for (uint32_t k = 0; k < count; k++) {
    const float c = bpfree_clipped(t, coefficients[k]), size = c < 0.0f ? -c : c;
    if (size > largest) largest = size;
  }
  if (largest == 0.0f) return 1.0f;
  for (uint32_t k = 0; k < count; k++) {
    const float share = bpfree_clipped(t, coefficients[k]) / largest;
    sum = k ? sum + share : share;
    squares = k ? squares + share * share : share * share;
  }
  const float mean = sum / n;
  for (uint32_t k = 0; k < count; k++) {
    const float off = bpfree_clipped(t, coefficients[k]) / largest - mean;
    beside = k ? beside + off * off : off * off;
  }
  const float std = bpfree_sqrt32(beside / n), least = floor * bpfree_sqrt32(squares / n);
  const float s = largest * (std > least ? std : least) * (t->estimator->averages ? (float)t->n_queries : 1.0f);
  return s > 0.0f ? s : 1.0f;
}

static void begin(const bpfree_trainer *t, const float *coefficients, float *scalars, const float *settings)
{
  scalars[0] = deviation(t, coefficients, settings[0]);
}

static void transform(float *g, const float *theta, float *const *state, const float *scalars, const float *settings,
                      uint32_t n)
{
  (void)theta;
  (void)state;
  (void)settings;
  for (uint32_t k = 0; k < n; k++) g[k] = g[k] / scalars[0];
}

const bpfree_update BPFREE_KERNEL(upd_normalize) = {transform, begin, 0, 0, 1, 0, 0, 0};
