/* SPDX-License-Identifier: MIT */
/* What long vectors go through, element by element; one copy of each in flash. */
#ifndef BPFREE_VECTOR_H
#define BPFREE_VECTOR_H

#include <stdint.h>
#include "bpfree/config.h"

/* y[k] = fl(y[k] + fl(a x[k])); x and y do not overlap. */
void bpfree_axpy(float *restrict y, float a, const float *restrict x, uint32_t n);

/* y[k] = fl(a x[k]); x may be y. */
void bpfree_scale(float *y, float a, const float *x, uint32_t n);

#endif
