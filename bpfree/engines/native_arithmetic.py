# SPDX-License-Identifier: MIT
"""The arithmetic of the compiled engine, for what Python puts together itself."""

from __future__ import annotations

from functools import partial

import numpy as np

from bpfree.arithmetic import Exact
from bpfree.native import contract_parts, math32, outer_parts


class Native(Exact):
    """Exact's bits with the kernels of one instruction set (by number)."""

    def __init__(self, isa: int):
        self._isa = isa
        for name in ("exp", "log", "tanh", "sin", "cos", "sigmoid", "expm1", "log1p"):
            setattr(self, name, partial(math32, name, isa=isa))

    def contract(self, a, x, start=0.0, out=None):
        """y[p, m, n] = start + sum_k a[k, m] x[p, k, n], k ascending from start; out: room for y, contiguous."""
        x = np.ascontiguousarray(x)
        parts, _, columns = x.shape
        y = np.empty((parts, a.shape[1], columns), np.float32) if out is None else out
        y[...] = start
        contract_parts(self._isa, y, a, x)
        return y

    def outer(self, d, x):
        """y[m, k] = sum of d[p, m, c] x[p, k, c], over ascending p, then c."""
        return outer_parts(self._isa, np.ascontiguousarray(d), np.ascontiguousarray(x))
