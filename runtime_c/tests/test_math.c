/* SPDX-License-Identifier: MIT */
/* exp, log, tanh, sigmoid, sin and cos: stated results of special values, and
 * the bits of the NumPy twin over arguments of all magnitudes. */
#define _POSIX_C_SOURCE 200112L
#include "math32.h"
#include "run.h"

enum { EXP, LOG, TANH, SIGMOID, SIN, COS, EXPM1, LOG1P, FUNCTIONS };

static float value(uint32_t function, float x)
{
  float y;
  CHECK_EQUAL(bpfree_math(0, function, 1, &x, &y), BPFREE_OK);
  return y;
}

static void special_values(void)
{
  const float inf = bpfree_float32(0x7f800000u), nan = bpfree_float32(0x7fc00000u);
  const float tiny = bpfree_float32(1u), top = 0x1.62e42ep+6f, bottom = -0x1.5d589ep+6f;
  const float turns = 0x1.921fb6p+13f; /* where sin and cos stop turning */
  const struct {
    uint32_t function;
    float x, y;
  } rows[] = {
      {EXP, 0.0f, 1.0f},          {EXP, -0.0f, 1.0f},         {EXP, tiny, 1.0f},
      {EXP, inf, inf},            {EXP, -inf, 0.0f},          {EXP, 89.0f, inf},
      {EXP, -88.0f, 0.0f},        {EXP, FLT_MAX, inf},        {EXP, -FLT_MAX, 0.0f},
      {LOG, 0.0f, -inf},          {LOG, -0.0f, -inf},         {LOG, 1.0f, 0.0f},
      {LOG, inf, inf},            {TANH, 0.0f, 0.0f},         {TANH, -0.0f, -0.0f},
      {TANH, inf, 1.0f},          {TANH, -inf, -1.0f},        {TANH, tiny, tiny},
      {TANH, FLT_MAX, 1.0f},      {TANH, -100.0f, -1.0f},     {SIGMOID, 0.0f, 0.5f},
      {SIGMOID, -0.0f, 0.5f},     {SIGMOID, tiny, 0.5f},      {SIGMOID, inf, 1.0f},
      {SIGMOID, -inf, 0.0f},      {SIGMOID, 17.0f, 1.0f},     {SIGMOID, -89.0f, 0.0f},
      {SIN, 0.0f, 0.0f},          {SIN, -0.0f, -0.0f},        {SIN, tiny, tiny},
      {SIN, -tiny, -tiny},        {SIN, 1e-4f, 1e-4f},        {COS, 0.0f, 1.0f},
      {COS, -0.0f, 1.0f},         {COS, tiny, 1.0f},          {COS, FLT_MAX, 1.0f - 0x1p-24f},
  };
  for (uint32_t k = 0; k < COUNT(rows); k++) {
    const float y = value(rows[k].function, rows[k].x);
    CHECK_FLOATS(&y, &rows[k].y, 1);
  }
  CHECK(value(EXP, top) < inf && value(EXP, bpfree_float32(bpfree_bits32(top) + 1u)) == inf);
  CHECK(value(EXP, bottom) >= FLT_MIN && value(EXP, bpfree_float32(bpfree_bits32(bottom) + 1u)) == 0.0f);
  CHECK(value(SIN, FLT_MAX) == value(SIN, turns) && value(SIN, -FLT_MAX) == -value(SIN, turns));
  for (uint32_t function = EXP; function < FUNCTIONS; function++)
    CHECK(value(function, nan) != value(function, nan));
  for (uint32_t function = SIN; function <= COS; function++) {
    CHECK(value(function, inf) != value(function, inf));
    CHECK(value(function, -inf) != value(function, -inf));
  }
  CHECK(value(LOG, -1.0f) != value(LOG, -1.0f) && value(LOG, -inf) != value(LOG, -inf));
  float y;
  CHECK_EQUAL(bpfree_math(0, FUNCTIONS, 1, &inf, &y), BPFREE_ERR_ARG);
}

/* The arguments of bpfree/generate/vectors.py, math_patterns(). */
static float pattern(uint32_t k)
{
  const uint32_t word = k % GOLDEN_MATH_PATTERNS * 0x9E3779B1u;
  if (k < GOLDEN_MATH_PATTERNS) return bpfree_float32(word);
  return bpfree_float32((word & 0x80000000u) | (0x3C000000u + word % 0x07000000u));
}

static void same_as_numpy(void)
{
  const uint32_t n = 2 * GOLDEN_MATH_PATTERNS;
  float *x = floats(n), *y = floats(n);
  for (uint32_t k = 0; k < n; k++) x[k] = pattern(k);
  for (uint32_t isa = 0; bpfree_isa_supported(isa); isa++)
    for (uint32_t function = EXP; function < FUNCTIONS; function++) {
      CHECK_EQUAL(bpfree_math(isa, function, n, x, y), BPFREE_OK);
      for (uint32_t k = 0; k < n; k++)
        if (y[k] != y[k]) y[k] = bpfree_float32(0x7fc00000u); /* a NaN's payload is nobody's promise */
      CHECK_EQUAL(bpfree_hash(y, n), golden_math[function]);
    }
  free(x);
  free(y);
}

int main(void)
{
  special_values();
  same_as_numpy();
  return CHECK_RESULT();
}
