/* SPDX-License-Identifier: MIT */
/* y = 1 / (1 + exp(-x)). No attributes, no parameters. */
#include "elementwise.h"
#include "jet.h"
#include "math32.h"

BPFREE_ELEMENTWISE(op_sigmoid, bpfree_sigmoid32)
BPFREE_SLOPE(sigmoid, y[i] * (1.0f - y[i]))
BPFREE_JET(sigmoid, bpfree_sigmoid32(x), y * (1.0f - y), y * (1.0f - y) * (1.0f - (y + y)))
