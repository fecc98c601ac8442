/* SPDX-License-Identifier: MIT */
/* The one matrix product of the runtime, with sums in a fixed order. Speed
 * comes from a block of rows x vectors held in registers: each weight and each
 * input vector is loaded once per block. */
#include "kernel.h"

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 8")
#else
#define UNROLL
#endif

/* The largest block that fits the register file without spilling. */
#if BPFREE_LANES == 1
#define MAX_ROWS 4 /* 32 single-precision registers of a small FPU */
#define MAX_VECTORS 2
#elif BPFREE_LANES == 16 || defined(__aarch64__)
#define MAX_ROWS 6 /* 32 vector registers */
#define MAX_VECTORS 4
#else
#define MAX_ROWS 6 /* 16 vector registers */
#define MAX_VECTORS 2
#endif

typedef struct operands {
  const float *a;
  uint32_t k_stride;
  uint32_t m_stride;
  const float *x;
  uint32_t inner;
  uint32_t columns;
} operands;

/* Inlined with constant rows and vectors, so that sum[] lives in registers. */
static inline __attribute__((always_inline)) void block(const uint32_t rows, const uint32_t vectors, float *y,
                                                        operands o)
{
  bpfree_vector sum[MAX_ROWS][MAX_VECTORS];
  UNROLL for (uint32_t r = 0; r < rows; r++)
    UNROLL for (uint32_t v = 0; v < vectors; v++)
      sum[r][v] = *(const bpfree_vector *)(y + r * o.columns + v * BPFREE_LANES);
  for (uint32_t k = 0; k < o.inner; k++) {
    bpfree_vector in[MAX_VECTORS];
    UNROLL for (uint32_t v = 0; v < vectors; v++) in[v] = *(const bpfree_vector *)(o.x + v * BPFREE_LANES);
    UNROLL for (uint32_t r = 0; r < rows; r++) {
      const float weight = o.a[r * o.m_stride];
      UNROLL for (uint32_t v = 0; v < vectors; v++) sum[r][v] += weight * in[v];
    }
    o.a += o.k_stride;
    o.x += o.columns;
  }
  UNROLL for (uint32_t r = 0; r < rows; r++)
    UNROLL for (uint32_t v = 0; v < vectors; v++)
      *(bpfree_vector *)(y + r * o.columns + v * BPFREE_LANES) = sum[r][v];
}

/* All rows of one strip of columns, `vectors` vectors wide. */
static inline __attribute__((always_inline)) void strip(const uint32_t vectors, float *y, operands o, uint32_t rows)
{
  const uint32_t row_step = o.columns, m_stride = o.m_stride;
  for (; rows >= MAX_ROWS; rows -= MAX_ROWS) {
    block(MAX_ROWS, vectors, y, o);
    y += MAX_ROWS * row_step;
    o.a += MAX_ROWS * m_stride;
  }
#if MAX_ROWS > 4
  if (rows >= 4) {
    block(4, vectors, y, o);
    y += 4 * row_step;
    o.a += 4 * m_stride;
    rows -= 4;
  }
  if (rows >= 2) {
    block(2, vectors, y, o);
    y += 2 * row_step;
    o.a += 2 * m_stride;
    rows -= 2;
  }
#endif
  for (; rows; rows--) {
    block(1, vectors, y, o);
    y += row_step;
    o.a += m_stride;
  }
}

void BPFREE_KERNEL(contract)(float *y, const float *a, uint32_t k_stride, uint32_t m_stride, const float *x,
                             uint32_t rows, uint32_t inner, uint32_t columns)
{
  operands o = {a, k_stride, m_stride, x, inner, columns};
  uint32_t left = columns / BPFREE_LANES;
  for (; left >= MAX_VECTORS; left -= MAX_VECTORS) {
    strip(MAX_VECTORS, y, o, rows);
    y += MAX_VECTORS * BPFREE_LANES;
    o.x += MAX_VECTORS * BPFREE_LANES;
  }
  for (; left; left--) {
    strip(1, y, o, rows);
    y += BPFREE_LANES;
    o.x += BPFREE_LANES;
  }
}
