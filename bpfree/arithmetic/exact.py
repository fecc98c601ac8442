# SPDX-License-Identifier: MIT
"""The exact arithmetic of the reference engine: that of the C runtime, with the same bits on every machine.

Every output has one accumulator, which starts at the bias and adds products by ascending input index. @, dot, einsum,
sum, np.exp, np.log and np.tanh are not used, because their rounding depends on the library and the processor.
"""

from __future__ import annotations

import numpy as np

from bpfree.arithmetic.math32 import cos32, exp32, expm1_32, log1p_32, log32, sigmoid32, sin32, tanh32

_CHUNK = 1 << 22
"""Number of products held at a time in exact mode, which limits memory to 16 MB."""


def running_sum(values, axis: int = 0):
    """Return the sum along an axis strictly in order, with one rounding per term, where np.sum reassociates."""
    return np.take(np.add.accumulate(values, axis=axis), -1, axis=axis)


class Exact:
    """float32 arithmetic in the order of the C runtime, bit for bit."""

    exp, log, tanh, sin, cos, sigmoid, expm1, log1p = map(
        staticmethod, (exp32, log32, tanh32, sin32, cos32, sigmoid32, expm1_32, log1p_32)
    )
    sum = staticmethod(running_sum)

    @staticmethod
    def dots(a, b):
        """Return y[..., n] = sum_k a[..., k, n] b[..., k, n], with k ascending."""
        return running_sum(a * b, axis=-2)

    @staticmethod
    def outer(d, x):
        """Return y[m, k] = sum of d[p, m, c] x[p, k, c], over ascending p, then c."""
        d, x = (values.transpose(0, 2, 1).reshape(-1, values.shape[1]) for values in (d, x))
        return Exact.contract(d, x[None])[0]

    @staticmethod
    def contract(a, x, start=0.0, out=None):
        """Return y[p, m, n] = start + sum_k a[k, m] x[p, k, n], from fl(start + 0), k ascending; `out` may hold y."""
        (inner, rows), (parts, _, columns) = a.shape, x.shape
        y = np.empty((parts, rows, columns), np.float32) if out is None else out
        y[...] = start
        y += np.float32(0)  # +0 of -0: a sum is the same with a term w 0 as without it
        if parts * columns == 0:
            return y
        step = max(1, _CHUNK // max(1, inner * parts * columns))
        for m in range(0, rows, step):
            block = y[:, m : m + step]
            terms = np.empty((inner + 1, *block.shape), np.float32)
            terms[0] = block
            np.multiply(a[:, None, m : m + step, None], x.transpose(1, 0, 2)[:, :, None, :], out=terms[1:])
            y[:, m : m + step] = _reduce(terms)
        return y


def _reduce(terms):
    # Reducing the outer axis of a C-contiguous array adds row to row in order, three times as fast as a
    # loop, but a single column would be reduced pairwise. tests/arithmetic/test_arithmetic.py guards both.
    if terms[0].size == 1:
        return running_sum(terms)
    return np.add.reduce(terms, axis=0)
