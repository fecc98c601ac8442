# SPDX-License-Identifier: MIT
"""The fast arithmetic of the reference engine: BLAS and NumPy, whose rounding depends on library and processor."""

from __future__ import annotations

import numpy as np


class Fast:
    """float32 or float64 arithmetic by BLAS and NumPy, which agrees with C within rounding."""

    exp, log, tanh, sin, cos, expm1, log1p = map(
        staticmethod, (np.exp, np.log, np.tanh, np.sin, np.cos, np.expm1, np.log1p)
    )

    @staticmethod
    def sigmoid(x):
        """Return 1 / (1 + exp(-x)), by scipy.special.expit."""
        from scipy.special import expit

        return expit(x)

    @staticmethod
    def contract(a, x, start=0.0, out=None):
        """Return y[p, m, n] = start + sum_k a[k, m] x[p, k, n], where start broadcasts; `out` may hold y."""
        if len(x) > 1:
            y = np.matmul(a.T, x, out=out)
        else:  # a stacked matmul is slower where x is transposed
            y = np.matmul(a.T, x[0], out=None if out is None else out[0])[None]
        return y if np.ndim(start) == 0 and start == 0.0 else np.add(y, start, out=y)

    @staticmethod
    def outer(d, x):
        """Return y[m, k] = sum of d[p, m, c] x[p, k, c] over p and c."""
        return np.matmul(d, x.transpose(0, 2, 1)).sum(axis=0)

    @staticmethod
    def sum(values, axis: int = 0):
        """Return the sum along an axis."""
        return np.sum(values, axis=axis)

    @staticmethod
    def dots(a, b):
        """Return y[..., n] = sum_k a[..., k, n] b[..., k, n]."""
        return np.einsum("...kn,...kn->...n", a, b)  # twice as fast as (a * b).sum(), which stores the products
