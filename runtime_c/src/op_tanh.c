/* SPDX-License-Identifier: MIT */
/* y = tanh(x). No attributes, no parameters. */
#include "elementwise.h"
#include "math32.h"

BPFREE_ELEMENTWISE(op_tanh, bpfree_tanh32)
BPFREE_SLOPE(tanh, 1.0f - y[i] * y[i])
