/* SPDX-License-Identifier: MIT */
/* Are losses compared on both sides of theta? A constant where firmware has only one of the two ways. */
#ifndef BPFREE_SIDES_H
#define BPFREE_SIDES_H

#include "bpfree/train.h"

static inline int bpfree_two_sided(const bpfree_trainer *t)
{
  return BPFREE_TWO_SIDED && (!BPFREE_ONE_SIDED || t->two_sided);
}

/* Is this a trainer that is built for? */
static inline int bpfree_sides_built(const bpfree_trainer *t)
{
  return t->two_sided <= 1 && (t->two_sided ? BPFREE_TWO_SIDED : BPFREE_ONE_SIDED);
}

#endif
