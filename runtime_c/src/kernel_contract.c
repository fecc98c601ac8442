/* SPDX-License-Identifier: MIT */
/* The one matrix product of the runtime, with sums in a fixed order. Speed
 * comes from a block of rows x vectors held in registers: each weight and each
 * input vector is loaded once per block (kernel_block.h). The 6 x 4 block of
 * AVX-512 runs at the rate of its multiplies and adds. */
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
  uint32_t stride; /* of x and y in memory: from one row to the next */
} operands;

/* A bpfree_vector anywhere: rows of a few samples are not aligned. */
#if BPFREE_LANES == 1
typedef float loose;
#else
typedef float loose __attribute__((vector_size(4 * BPFREE_LANES), may_alias, aligned(4)));
#endif

#define BLOCK block
#define STRIP strip
#define VECTOR loose
#include "kernel_block.h"

#if BPFREE_LANES > 1
/* What is left of the columns: by fours, then one by one with four rows at a
 * time, so that a single sample is not computed sixteen times. */
typedef float quad __attribute__((vector_size(16), may_alias, aligned(4)));

#define BLOCK block_of_quads
#define STRIP strip_of_quads
#define VECTOR quad
#include "kernel_block.h"

/* Four floats, `stride` apart. */
static inline quad gather(const float *from, uint32_t stride)
{
  return (quad){from[0], from[stride], from[2 * stride], from[3 * stride]};
}

#if defined(__clang__)
#define PICK(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int32_t pick __attribute__((vector_size(16)));
#define PICK(a, b, i, j, k, l) __builtin_shuffle(a, b, (pick){i, j, k, l})
#endif

/* w[k] = weights of four rows at input k, from rows in memory. */
static inline __attribute__((always_inline)) void turn(quad w[4], const float *a, uint32_t m_stride)
{
  const quad r0 = *(const quad *)a, r1 = *(const quad *)(a + m_stride);
  const quad r2 = *(const quad *)(a + 2 * m_stride), r3 = *(const quad *)(a + 3 * m_stride);
  const quad low01 = PICK(r0, r1, 0, 4, 1, 5), high01 = PICK(r0, r1, 2, 6, 3, 7);
  const quad low23 = PICK(r2, r3, 0, 4, 1, 5), high23 = PICK(r2, r3, 2, 6, 3, 7);
  w[0] = PICK(low01, low23, 0, 1, 4, 5);
  w[1] = PICK(low01, low23, 2, 3, 6, 7);
  w[2] = PICK(high01, high23, 0, 1, 4, 5);
  w[3] = PICK(high01, high23, 2, 3, 6, 7);
}

/* How the weights of four rows lie in memory: side by side; each row along its
 * inputs; or neither. A constant wherever it is used. */
enum order { CONTIGUOUS, TURNED, SCATTERED };

/* One column, 4 * quads rows. */
static inline __attribute__((always_inline)) void column_block(const uint32_t quads, const enum order order, float *y,
                                                               operands o)
{
  quad sum[4];
  UNROLL for (uint32_t q = 0; q < quads; q++) sum[q] = gather(y + 4 * q * o.stride, o.stride);
  uint32_t k = 0;
  if (order == TURNED)
    for (; k + 4 <= o.inner; k += 4)
      UNROLL for (uint32_t q = 0; q < quads; q++) {
        quad w[4];
        turn(w, o.a + 4 * q * o.m_stride + k, o.m_stride);
        UNROLL for (uint32_t j = 0; j < 4; j++) sum[q] += w[j] * o.x[(k + j) * o.stride];
      }
  for (; k < o.inner; k++)
    UNROLL for (uint32_t q = 0; q < quads; q++) {
      const float *a = o.a + k * o.k_stride + 4 * q * o.m_stride;
      sum[q] += (order == CONTIGUOUS ? *(const quad *)a : gather(a, o.m_stride)) * o.x[k * o.stride];
    }
  UNROLL for (uint32_t q = 0; q < quads; q++)
    for (uint32_t r = 0; r < 4; r++) y[(4 * q + r) * o.stride] = sum[q][r];
}

static inline __attribute__((always_inline)) void column(const enum order order, float *y, operands o, uint32_t rows)
{
  for (; rows >= 16; rows -= 16) {
    column_block(4, order, y, o);
    y += 16 * o.stride;
    o.a += 16 * o.m_stride;
  }
  for (; rows >= 4; rows -= 4) {
    column_block(1, order, y, o);
    y += 4 * o.stride;
    o.a += 4 * o.m_stride;
  }
  for (; rows; rows--) {
    float sum = *y;
    for (uint32_t k = 0; k < o.inner; k++) sum += o.a[k * o.k_stride] * o.x[k * o.stride];
    *y = sum;
    y += o.stride;
    o.a += o.m_stride;
  }
}

/* The last columns, fewer than a vector. */
static void narrow_columns(float *y, operands o, uint32_t rows, uint32_t columns)
{
  for (; columns >= 4; columns -= 4) {
    strip_of_quads(1, y, o, rows);
    y += 4;
    o.x += 4;
  }
  for (; columns; columns--) {
    if (o.m_stride == 1)
      column(CONTIGUOUS, y, o, rows);
    else if (o.k_stride == 1)
      column(TURNED, y, o, rows);
    else
      column(SCATTERED, y, o, rows);
    y++;
    o.x++;
  }
}
#endif

static inline __attribute__((always_inline)) void contract_columns(float *y, operands o, uint32_t rows,
                                                                   uint32_t columns)
{
  uint32_t left = columns / BPFREE_LANES;
  for (; left >= MAX_VECTORS; left -= MAX_VECTORS) {
    strip(MAX_VECTORS, y, o, rows);
    y += MAX_VECTORS * BPFREE_LANES;
    o.x += MAX_VECTORS * BPFREE_LANES;
  }
#if MAX_VECTORS > 2
  if (left >= 2) {
    strip(2, y, o, rows);
    y += 2 * BPFREE_LANES;
    o.x += 2 * BPFREE_LANES;
    left -= 2;
  }
#endif
  for (; left; left--) {
    strip(1, y, o, rows);
    y += BPFREE_LANES;
    o.x += BPFREE_LANES;
  }
#if BPFREE_LANES > 1
  narrow_columns(y, o, rows, columns % BPFREE_LANES);
#endif
}

void BPFREE_KERNEL(contract)(float *y, const float *a, uint32_t k_stride, uint32_t m_stride, const float *x,
                             uint32_t rows, uint32_t inner, uint32_t columns)
{
  const operands o = {a, k_stride, m_stride, x, inner, columns};
  contract_columns(y, o, rows, columns);
}

void BPFREE_KERNEL(contract_part)(float *y, const float *a, uint32_t k_stride, uint32_t m_stride, const float *x,
                                  uint32_t rows, uint32_t inner, uint32_t columns, uint32_t stride)
{
  const operands o = {a, k_stride, m_stride, x, inner, stride};
  contract_columns(y, o, rows, columns);
}
