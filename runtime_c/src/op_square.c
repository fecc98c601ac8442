/* SPDX-License-Identifier: MIT */
/* y = x^2. No attributes, no parameters. */
#include "elementwise.h"
#include "jet.h"

static inline float square(float x) { return x * x; }

BPFREE_ELEMENTWISE(op_square, square)
BPFREE_SLOPE(square, x[i] + x[i])
BPFREE_JET(square, square(x), x + x, 2.0f)
