/* SPDX-License-Identifier: MIT */
/* y = x <= 0 ? 0 : x, so that NaN stays, in slopes too. No attributes, no parameters. */
#include "elementwise.h"
#include "jet.h"

static inline float relu(float x) { return x <= 0.0f ? 0.0f : x; }

BPFREE_ELEMENTWISE(op_relu, relu)
BPFREE_SLOPE(relu, y[i] > 0.0f ? 1.0f : y[i])
BPFREE_JET_STRAIGHT(relu, relu(x), y > 0.0f ? 1.0f : y)
