/* SPDX-License-Identifier: MIT */
/* Pieces of the parameters of a probe, for what is loaded with them from outside: a photonic chip, an NPU, an FPGA. */
#ifndef BPFREE_PIECES_H
#define BPFREE_PIECES_H

#include "bits.h"
#include "bpfree/train.h"

/* What only bpfree_probe and bpfree_tell use of an estimator's row; named in any case, so that no compiler calls it
 * unused. */
#define BPFREE_TOLD(function) (BPFREE_TELL ? (function) : 0)

/* u[0..n) = the steps mu u of a probe, of a block of random numbers that has n elements of a slice. */
typedef void (*bpfree_block_steps)(const struct bpfree_probe *probe, const bpfree_slice *slice, uint32_t block,
                                   uint32_t n, float u[BPFREE_BLOCK]);

static inline uint32_t bpfree_larger(uint32_t a, uint32_t b)
{
  return a > b ? a : b;
}

static inline uint32_t bpfree_smaller(uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

/* out (count) = elements [first, first + count) of theta + mu u, block by block; those that the probe does not move are
 * theta's. A block may be cut anywhere, whatever BPFREE_CUT_SLICES says of the probes themselves. */
static inline void bpfree_write_piece(const bpfree_model *model, const float *theta, const struct bpfree_probe *probe,
                                      uint32_t first, uint32_t count, float *out, bpfree_block_steps steps)
{
  for (uint32_t k = 0; k < count; k++) out[k] = theta[first + k];
  for (uint32_t s = 0; s < model->n_slices; s++) {
    const bpfree_slice *slice = &model->slices[s];
    const uint32_t from = bpfree_larger(slice->offset, bpfree_larger(first, probe->first));
    const uint32_t stop = bpfree_smaller(slice->offset + slice->size,
                                         bpfree_smaller(first + count, probe->first + probe->count));
    for (uint32_t k = from; !slice->frozen && k < stop;) {
      const uint32_t block = (k - slice->offset) / BPFREE_BLOCK, start = block * BPFREE_BLOCK;
      const uint32_t n = bpfree_smaller(BPFREE_BLOCK, slice->size - start);
      float u[BPFREE_BLOCK];
      steps(probe, slice, block, n, u);
      for (; k < stop && k - slice->offset < start + n; k++) out[k - first] = theta[k] + u[k - slice->offset - start];
    }
  }
}

/* The same of a probe of one element. */
static inline void bpfree_write_element(const float *theta, const struct bpfree_probe *probe, uint32_t first,
                                        uint32_t count, float *out)
{
  for (uint32_t k = 0; k < count; k++) out[k] = theta[first + k];
  if (probe->element - first < count) out[probe->element - first] = theta[probe->element] + probe->mu;
}

#endif
