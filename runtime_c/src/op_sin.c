/* SPDX-License-Identifier: MIT */
/* y = sin(x). No attributes, no parameters. */
#include "elementwise.h"
#include "jet.h"
#include "math32.h"

BPFREE_ELEMENTWISE(op_sin, bpfree_sin32)
BPFREE_SLOPE(sin, bpfree_cos32(x[i]))
BPFREE_JET(sin, bpfree_sin32(x), bpfree_cos32(x), -y)
