/* SPDX-License-Identifier: MIT */
/* Where the elements of a tensor lie: in rows, which may have gaps between them. */
#ifndef BPFREE_PLACES_H
#define BPFREE_PLACES_H

#include "bpfree/model.h"

/* Elements of a row. */
static inline uint32_t bpfree_row(const bpfree_tensor *t) { return BPFREE_GAPS ? t->row : t->size; }

/* Elements from the first one of a tensor to this one, gaps counted. Where there
 * are none nothing is divided. */
static inline uint32_t bpfree_place(const bpfree_tensor *t, uint32_t element)
{
  return !BPFREE_GAPS || element < t->row ? element : element / t->row * t->stride + element % t->row;
}

/* Elements of an elementwise node that always lie side by side: all where no tensor has gaps. */
static inline uint32_t bpfree_piece(const bpfree_model *model, const bpfree_node *node)
{
  return BPFREE_GAPS ? node->piece : model->tensors[node->output].size;
}

/* The first elements of its pieces. */
#define BPFREE_PIECES(model, node, first) \
  for (uint32_t first = 0; first < (model)->tensors[(node)->output].size; first += bpfree_piece(model, node))

#endif
