/* SPDX-License-Identifier: MIT */
/* L = log sum_c exp(y_c - max) - (y_label - max), per sample; sums run over
 * ascending c. */
#include "kernel.h"
#include "math32.h"

/* At a time; not a constant number of them, which compilers unroll instead of making vectors of it. */
#if BPFREE_LANES == 1
#define SAMPLES 1u
/* On a device one copy of each in flash; a host's compiler vectorises copies. */
static __attribute__((noinline)) float exp_of(float x) { return bpfree_exp32(x); }
static __attribute__((noinline)) float log_of(float x) { return bpfree_log32(x); }
#else
#define SAMPLES 64u
#define exp_of bpfree_exp32
#define log_of bpfree_log32
#endif

void BPFREE_KERNEL(loss_softmax_cross_entropy)(const float *y, uint32_t outputs, const uint32_t *labels,
                                               const float *targets, uint32_t n, float *values)
{
  (void)targets;
  for (uint32_t first = 0; first < n; first += SAMPLES) {
    const uint32_t count = SAMPLES == 1 || n - first >= SAMPLES ? SAMPLES : n - first;
    float largest[SAMPLES], sum[SAMPLES], own[SAMPLES];
    const float *const x = y + first;
    for (uint32_t s = 0; s < count; s++) {
      largest[s] = x[s];
      sum[s] = 0.0f;
      own[s] = x[labels[first + s] * n + s];
    }
    for (uint32_t c = 1; c < outputs; c++)
      for (uint32_t s = 0; s < count; s++) largest[s] = x[c * n + s] > largest[s] ? x[c * n + s] : largest[s];
    for (uint32_t c = 0; c < outputs; c++)
      for (uint32_t s = 0; s < count; s++) sum[s] += exp_of(x[c * n + s] - largest[s]);
    for (uint32_t s = 0; s < count; s++) values[first + s] = log_of(sum[s]) - (own[s] - largest[s]);
  }
}

#if BPFREE_LANES == 1
/* The bits of bpfree_expm1_32 and bpfree_log1p_32, by a jump: small numbers cost a third. */
static float expm1_of(float x)
{
  return x < BPFREE_EXPM1_SMALL && x > -BPFREE_EXPM1_SMALL ? bpfree_small_expm1(x) : exp_of(x) - 1.0f;
}

static float log1p_of(float x)
{
  return x < BPFREE_LOG1P_ABOVE && x > BPFREE_LOG1P_BELOW ? bpfree_small_log1p(x) : log_of(1.0f + x);
}

/* Probabilities: the softmax of the scores. */
static void prepare(const float *y, uint32_t outputs, const bpfree_target *target, float *aid)
{
  (void)target;
  float largest = y[0], sum = 0.0f;
  for (uint32_t c = 1; c < outputs; c++) largest = y[c] > largest ? y[c] : largest;
  for (uint32_t c = 0; c < outputs; c++) {
    aid[c] = exp_of(y[c] - largest);
    sum += aid[c];
  }
  for (uint32_t c = 0; c < outputs; c++) aid[c] = aid[c] / sum;
}

/* p - e_label. */
static void gradient(const float *aid, uint32_t outputs, const bpfree_target *target, float *delta)
{
  for (uint32_t c = 0; c < outputs; c++) delta[c] = aid[c];
  delta[target->label] -= 1.0f;
}

/* log(1 + sum_c p_c (exp(s w_c) - 1)) - s w_label: nothing is lost to rounding where s is small. */
static float change(const float *aid, uint32_t outputs, const bpfree_target *target, const float *column,
                    uint32_t stride, float s)
{
  float total = 0.0f;
  for (uint32_t c = 0; c < outputs; c++) total += expm1_of(s * column[c * stride]) * aid[c];
  return log1p_of(total) - s * column[target->label * stride];
}

const bpfree_closed BPFREE_KERNEL(closed_softmax_cross_entropy) = {prepare, gradient, change};
#endif
