/* SPDX-License-Identifier: MIT */
/* Included by kernel_contract.c once per width of vector, with VECTOR (the
 * type), BLOCK and STRIP (names) defined. No include guard. */
#define WIDTH (sizeof(VECTOR) / sizeof(float))

/* Inlined with constant rows and vectors, so that sum[] lives in registers. */
static inline __attribute__((always_inline)) void BLOCK(const uint32_t rows, const uint32_t vectors, float *y,
                                                        operands o)
{
  VECTOR sum[MAX_ROWS][MAX_VECTORS];
  UNROLL for (uint32_t r = 0; r < rows; r++)
    UNROLL for (uint32_t v = 0; v < vectors; v++)
      sum[r][v] = *(const VECTOR *)(y + r * o.stride + v * WIDTH);
  for (uint32_t k = 0; k < o.inner; k++) {
    VECTOR in[MAX_VECTORS];
    UNROLL for (uint32_t v = 0; v < vectors; v++) in[v] = *(const VECTOR *)(o.x + v * WIDTH);
    UNROLL for (uint32_t r = 0; r < rows; r++) {
      const float weight = o.a[r * o.m_stride];
      UNROLL for (uint32_t v = 0; v < vectors; v++) sum[r][v] += weight * in[v];
    }
    o.a += o.k_stride;
    o.x += o.stride;
  }
  UNROLL for (uint32_t r = 0; r < rows; r++)
    UNROLL for (uint32_t v = 0; v < vectors; v++)
      *(VECTOR *)(y + r * o.stride + v * WIDTH) = sum[r][v];
}

/* All rows of one strip of columns, `vectors` vectors wide. */
static inline __attribute__((always_inline)) void STRIP(const uint32_t vectors, float *y, operands o, uint32_t rows)
{
  const uint32_t row_step = o.stride, m_stride = o.m_stride;
  for (; rows >= MAX_ROWS; rows -= MAX_ROWS) {
    BLOCK(MAX_ROWS, vectors, y, o);
    y += MAX_ROWS * row_step;
    o.a += MAX_ROWS * m_stride;
  }
#if MAX_ROWS > 4
  if (rows >= 4) {
    BLOCK(4, vectors, y, o);
    y += 4 * row_step;
    o.a += 4 * m_stride;
    rows -= 4;
  }
  if (rows >= 2) {
    BLOCK(2, vectors, y, o);
    y += 2 * row_step;
    o.a += 2 * m_stride;
    rows -= 2;
  }
#endif
  for (; rows; rows--) {
    BLOCK(1, vectors, y, o);
    y += row_step;
    o.a += m_stride;
  }
}

#undef WIDTH
#undef VECTOR
#undef BLOCK
#undef STRIP
