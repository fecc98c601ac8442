/* SPDX-License-Identifier: MIT */
/* y = cos(x). No attributes, no parameters. */
#include "elementwise.h"
#include "jet.h"
#include "math32.h"

BPFREE_ELEMENTWISE(op_cos, bpfree_cos32)
BPFREE_SLOPE(cos, -bpfree_sin32(x[i]))
BPFREE_JET(cos, bpfree_cos32(x), -bpfree_sin32(x), -y)
