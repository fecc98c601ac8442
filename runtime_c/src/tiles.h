/* SPDX-License-Identifier: MIT */
/* Tiles of a batch: rows of samples turned to columns and back, the rooms that a
 * workspace for them is cut into, and the losses of one tile. */
#ifndef BPFREE_TILES_H
#define BPFREE_TILES_H

#include <stddef.h>
#include "bpfree/host.h"

/* Both ways of turning walk strips of one cache line, so that what is read and
 * what is written stay in the first-level cache. */
#define BPFREE_STRIP 16

/* rows (n, width) to columns (width, tile), missing samples zero. */
static inline void bpfree_to_columns(const float *rows, uint32_t n, uint32_t width, uint32_t tile, float *columns)
{
  const uint32_t present = n < tile ? n : tile;
  for (uint32_t f0 = 0; f0 < width; f0 += BPFREE_STRIP) {
    const uint32_t stop = width - f0 < BPFREE_STRIP ? width : f0 + BPFREE_STRIP;
    for (uint32_t s = 0; s < present; s++)
      for (uint32_t f = f0; f < stop; f++) columns[f * tile + s] = rows[(uint64_t)s * width + f];
    for (uint32_t f = f0; f < stop; f++)
      for (uint32_t s = present; s < tile; s++) columns[f * tile + s] = 0.0f;
  }
}

/* columns (width, tile) to rows (n, width), n <= tile. */
static inline void bpfree_to_rows(const float *columns, uint32_t n, uint32_t width, uint32_t tile, float *rows)
{
  for (uint32_t f0 = 0; f0 < width; f0 += BPFREE_STRIP) {
    const uint32_t stop = width - f0 < BPFREE_STRIP ? width : f0 + BPFREE_STRIP;
    for (uint32_t s = 0; s < n; s++)
      for (uint32_t f = f0; f < stop; f++) rows[(uint64_t)s * width + f] = columns[f * tile + s];
  }
}

/* The next room of this many floats in a workspace, on a cache line of its own; base NULL only counts. */
static inline float *bpfree_take(float *base, uint64_t *at, uint64_t floats)
{
  float *const room = base ? base + *at : NULL;
  *at += (floats + 15u) & ~(uint64_t)15u;
  return room;
}

/* Is every label one of the outputs? */
static inline int bpfree_labels_fit(const bpfree_batch *batch, uint32_t outputs)
{
  for (uint32_t s = 0; batch->labels && s < batch->n; s++)
    if (batch->labels[s] >= outputs) return 0;
  return 1;
}

/* Floats that the losses of a tile are worked out in: losses, labels and targets. */
static inline uint64_t bpfree_losses_room(uint32_t outputs, uint32_t tile)
{
  return (uint64_t)tile * (2u + outputs);
}

/* The losses at columns s .. s + tile, whose outputs (outputs, tile) are there. */
static inline void bpfree_tile_losses(const float *y, uint32_t outputs, const bpfree_batch *batch, bpfree_loss loss,
                                      uint32_t s, uint32_t tile, float *room, float *values)
{
  const uint32_t count = batch->n - s < tile ? batch->n - s : tile;
  uint32_t *const labels = (uint32_t *)(void *)(room + tile);
  float *const targets = room + 2 * tile;
  for (uint32_t k = 0; k < tile; k++) labels[k] = batch->labels && k < count ? batch->labels[s + k] : 0;
  if (batch->targets) bpfree_to_columns(batch->targets + (uint64_t)s * outputs, count, outputs, tile, targets);
  loss(y, outputs, labels, targets, tile, room);
  for (uint32_t k = 0; k < count; k++) values[s + k] = room[k];
}

#endif
