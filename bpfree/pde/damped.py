# SPDX-License-Identifier: MIT
"""Damped least squares: one Jacobian, many dampings."""

from __future__ import annotations

import numpy as np
from scipy import linalg


class Damped:
    """delta of least |r + J delta|^2 + lam |delta|^2 for one J (N, d) after the other lam.

    J itself, or for very many rows its products: gram = J^T J and gradient = J^T r. With J, the smaller of J^T J
    and J J^T is factorised (Cholesky), and the answer is refined once against J itself, which undoes most of what
    squaring the condition number costs (corrected semi-normal equations, Bjoerck 1987).

    >>> damped = Damped(np.array([1.0, 2.0]), jacobian=np.eye(2))
    >>> damped.solve(1.0).tolist(), damped.gradient.tolist()
    ([-0.5, -1.0], [1.0, 2.0])
    """

    def __init__(self, r, jacobian=None, gram=None, gradient=None):
        self.r, self.jacobian = r, jacobian
        self.dual = jacobian is not None and jacobian.shape[0] < jacobian.shape[1]
        if jacobian is not None:
            gradient = jacobian.T @ r
            gram = jacobian @ jacobian.T if self.dual else jacobian.T @ jacobian
        self.gram, self.gradient = gram, gradient

    @property
    def finite(self) -> bool:
        """Is every number finite?"""
        return bool(np.isfinite(self.gradient).all() and np.isfinite(self.gram).all())

    @property
    def largest(self) -> float:
        """Largest diagonal element of J^T J, or of J J^T: the unit of dampings."""
        return float(self.gram.diagonal().max())

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the products."""
        n = len(self.gram)
        inner = self.jacobian.shape[int(self.dual)] if self.jacobian is not None else len(self.r)
        return n * (n + 1) // 2 * inner

    def solve(self, lam: float):
        """delta (d,), or None where lam is too small for the factor to exist in this precision."""
        matrix = self.gram.copy()
        matrix[np.diag_indices_from(matrix)] += lam
        try:
            factor = linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError:
            return None
        if self.jacobian is None:
            return -linalg.cho_solve(factor, self.gradient, check_finite=False)
        return self._of_pairs(factor, lam) if self.dual else self._of_columns(factor, lam)

    def _of_columns(self, factor, lam):
        """(J^T J + lam) delta = -J^T r, refined by J^T (r + J delta) + lam delta."""
        delta = -linalg.cho_solve(factor, self.gradient, check_finite=False)
        wrong = self.jacobian.T @ (self.r + self.jacobian @ delta) + lam * delta
        return delta - linalg.cho_solve(factor, wrong, check_finite=False)

    def _of_pairs(self, factor, lam):
        """delta = -J^T y, (J J^T + lam) y = r, refined by r - J J^T y - lam y."""
        y = linalg.cho_solve(factor, self.r, check_finite=False)
        wrong = self.r - self.jacobian @ (self.jacobian.T @ y) - lam * y
        y += linalg.cho_solve(factor, wrong, check_finite=False)
        return -(self.jacobian.T @ y)
