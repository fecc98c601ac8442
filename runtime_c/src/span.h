/* SPDX-License-Identifier: MIT */
/* Where a range of theta meets a slice: what a probe moves may begin and end
 * inside of one. */
#ifndef BPFREE_SPAN_H
#define BPFREE_SPAN_H

#include "bpfree/model.h"

/* Elements [from, to) of a slice; none where both are equal. */
typedef struct bpfree_span {
  uint32_t from, to;
} bpfree_span;

/* Those of a slice that are elements [first, first + count) of theta too. */
static inline bpfree_span bpfree_span_of(const bpfree_slice *slice, uint32_t first, uint32_t count)
{
  bpfree_span span = {0, 0};
#if BPFREE_CUT_SLICES
  const uint32_t stop = first + count, end = slice->offset + slice->size;
  if (slice->frozen || first >= end || stop <= slice->offset) return span;
  if (first > slice->offset) span.from = first - slice->offset;
  span.to = (stop < end ? stop : end) - slice->offset;
#else
  if (!slice->frozen && slice->offset - first < count) span.to = slice->size;
#endif
  return span;
}

/* Is the element that is `past` behind a span's first in it too? All of a slice are that is not cut. */
static inline int bpfree_in_span(bpfree_span span, uint32_t past)
{
  return !BPFREE_CUT_SLICES || past < span.to - span.from;
}

/* Elements of the block of random numbers that `element` is in, before it. */
static inline uint32_t bpfree_before(uint32_t element)
{
  return BPFREE_CUT_SLICES ? element % BPFREE_BLOCK : 0;
}

#endif
