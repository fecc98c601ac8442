/* SPDX-License-Identifier: MIT */
/* y = tanh(x). No attributes, no parameters. */
#include "elementwise.h"
#include "jet.h"
#include "math32.h"

BPFREE_ELEMENTWISE(op_tanh, bpfree_tanh32)
BPFREE_SLOPE(tanh, 1.0f - y[i] * y[i])
BPFREE_JET(tanh, bpfree_tanh32(x), 1.0f - y * y, -2.0f * y * (1.0f - y * y))
