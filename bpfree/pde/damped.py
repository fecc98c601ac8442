# SPDX-License-Identifier: MIT
"""Damped least squares: one Jacobian, many dampings, several right-hand sides."""

from __future__ import annotations

import numpy as np
from scipy import linalg


class Damped:
    """x of least |v + J x|^2 + lam |x|^2 for one J (N, d), one lam after the other.

    J itself, or where it is too large its products: gram = J^T J and gradient = J^T r. With J, the smaller of J^T J
    and J J^T is factorised (Cholesky), and an answer is refined once against J itself, which undoes most of what
    squaring the condition number costs (corrected semi-normal equations, Bjoerck 1987).

    >>> damped = Damped(np.array([1.0, 2.0]), jacobian=np.eye(2))
    >>> damped.factorise(1.0), damped.solve().tolist(), damped.gradient.tolist()
    (True, [-0.5, -1.0], [1.0, 2.0])
    """

    def __init__(self, r, jacobian=None, gram=None, gradient=None):
        self.r, self.jacobian, self.lam, self._factor = r, jacobian, None, None
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

    @property
    def solving(self) -> int:
        """Multiply-accumulates of a factor and an answer."""
        return len(self.gram) ** 3 // 6 + 4 * self.gradient.size * len(self.r)

    def factorise(self, lam: float) -> bool:
        """Get ready to solve with this damping; no, where it is too small for the factor to exist in float64."""
        matrix, self.lam = self.gram.copy(), lam
        matrix[np.diag_indices_from(matrix)] += lam
        try:
            self._factor = linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError:
            return False
        return True

    def solve(self, v=None):
        """x (d,) for v (N,), default r, with the damping that was factorised. Others than r need J."""
        if self.jacobian is None:
            return -self._through(self.gradient)
        v = self.r if v is None else v
        return self._of_pairs(v) if self.dual else self._of_columns(v)

    def _through(self, right):
        return linalg.cho_solve(self._factor, right, check_finite=False)

    def _of_columns(self, v):
        """(J^T J + lam) x = -J^T v, refined by J^T (v + J x) + lam x."""
        x = -self._through(self.jacobian.T @ v)
        return x - self._through(self.jacobian.T @ (v + self.jacobian @ x) + self.lam * x)

    def _of_pairs(self, v):
        """x = -J^T y, (J J^T + lam) y = v, refined by v - J J^T y - lam y."""
        y = self._through(v)
        y += self._through(v - self.jacobian @ (self.jacobian.T @ y) - self.lam * y)
        return -(self.jacobian.T @ y)
