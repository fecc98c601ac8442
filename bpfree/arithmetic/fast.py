# SPDX-License-Identifier: MIT
"""The reference's arithmetic with BLAS and NumPy's functions: fast, and rounded as library and processor please."""

from __future__ import annotations

import numpy as np


class Fast:
    """BLAS and NumPy functions, float32 or float64; agrees with C within rounding."""

    exp, log, tanh, sin, cos, expm1, log1p = map(
        staticmethod, (np.exp, np.log, np.tanh, np.sin, np.cos, np.expm1, np.log1p)
    )

    @staticmethod
    def sigmoid(x):
        """1 / (1 + exp(-x))."""
        from scipy.special import expit

        return expit(x)

    @staticmethod
    def contract(a, x, start=0.0, out=None):
        """y[p, m, n] = start + sum_k a[k, m] x[p, k, n]; a (K, M), x (P, K, N), start broadcasts; out: room for y."""
        if len(x) > 1:
            y = np.matmul(a.T, x, out=out)
        else:  # a stack is slower where x is transposed
            y = np.matmul(a.T, x[0], out=None if out is None else out[0])[None]
        return y if np.ndim(start) == 0 and start == 0.0 else np.add(y, start, out=y)

    @staticmethod
    def sum(values, axis: int = 0):
        """Sum along an axis."""
        return np.sum(values, axis=axis)

    @staticmethod
    def dots(a, b):
        """y[..., n] = sum_k a[..., k, n] b[..., k, n]."""
        return np.einsum("...kn,...kn->...n", a, b)  # twice as fast as a sum of products, which are written first
