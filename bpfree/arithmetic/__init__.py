# SPDX-License-Identifier: MIT
"""The two arithmetics of the reference engine: fast with BLAS, or exact with the bits of C."""

from __future__ import annotations

from bpfree.arithmetic.contraction import Contraction, widened
from bpfree.arithmetic.exact import Exact, running_sum
from bpfree.arithmetic.fast import Fast
from bpfree.arithmetic.strict import check_arithmetic
