/* SPDX-License-Identifier: MIT */
/* The square root without an FPU gives what IEEE 754 asks of one with. */
#include "check.h"
#include "sqrt32.h"

/* r is the root of x, rounded to nearest: x lies between the squares of the
 * midpoints to r's neighbours. Exact in double: 25-bit midpoints, 50-bit squares. */
static int is_nearest(float x, float r)
{
  const uint32_t bits = bpfree_bits32(r);
  const double below = ((double)bpfree_float32(bits - 1) + (double)r) / 2.0;
  const double above = ((double)bpfree_float32(bits + 1) + (double)r) / 2.0;
  return below * below < (double)x && (double)x < above * above;
}

int main(void)
{
  for (uint32_t k = 1; k < 400000; k++) { /* patterns all over the positive floats, subnormals too */
    const float x = bpfree_float32(k * 5347u % 0x7f800000u + 1u);
    const float r = bpfree_sqrt32_by_bits(x);
    CHECK_EQUAL(x == bpfree_float32(0x7f800000u) || is_nearest(x, r), 1);
    CHECK_EQUAL(bpfree_bits32(bpfree_sqrt32(x)), bpfree_bits32(r));
  }
  for (uint32_t root = 0; root < 4096; root++) CHECK_EQUAL(bpfree_sqrt32_by_bits((float)(root * root)) == (float)root, 1);
  CHECK_EQUAL(bpfree_bits32(bpfree_sqrt32_by_bits(-0.0f)), 0x80000000u);
  CHECK_EQUAL(bpfree_bits32(bpfree_sqrt32_by_bits(bpfree_float32(0x7f800000u))), 0x7f800000u);
  const float bad[] = {-1.0f, -1e-45f, bpfree_float32(0xff800000u), bpfree_float32(0x7fc00000u)};
  for (uint32_t k = 0; k < 4; k++) CHECK_EQUAL(bpfree_sqrt32_by_bits(bad[k]) != bpfree_sqrt32_by_bits(bad[k]), 1);
  return CHECK_RESULT();
}
