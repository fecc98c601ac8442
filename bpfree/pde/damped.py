# SPDX-License-Identifier: MIT
"""Damped least squares with one Jacobian, many dampings and several right-hand sides."""

from __future__ import annotations

import numpy as np
from scipy import linalg


class Damped:
    """The x that minimises |v + J x|^2 + lam |x|^2, for one J (N, d) and any number of dampings lam.

    Equivalent to x = scipy.linalg.lstsq(vstack([J, sqrt(lam) I]), -concatenate([v, 0]))[0].

    It takes J itself, or, where J is too large, its products gram = J^T J and gradient = J^T r. With J, the smaller of
    J^T J and J J^T is factorised (Cholesky), and the answer is refined once against J itself, which recovers most of
    the accuracy lost by squaring the condition number (corrected semi-normal equations, Bjoerck 1987).

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
        """Whether all numbers are finite."""
        return bool(np.isfinite(self.gradient).all() and np.isfinite(self.gram).all())

    @property
    def largest(self) -> float:
        """The largest diagonal element of J^T J, or of J J^T, which is the unit of dampings."""
        return float(self.gram.diagonal().max())

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the products."""
        n = len(self.gram)
        inner = self.jacobian.shape[int(self.dual)] if self.jacobian is not None else len(self.r)
        return n * (n + 1) // 2 * inner

    @property
    def solving(self) -> int:
        """Multiply-accumulates of a factorisation and an answer."""
        return len(self.gram) ** 3 // 6 + 4 * self.gradient.size * len(self.r)

    def factorise(self, lam: float) -> bool:
        """Factorise with this damping; return False where it is too small for the factor to exist in float64."""
        matrix, self.lam = self.gram.copy(), lam
        matrix[np.diag_indices_from(matrix)] += lam
        try:
            self._factor = linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError:
            return False
        return True

    def solve(self, v=None):
        """Return x (d,) for v (N,), default r, with the factorised damping; other v than r need J."""
        if self.jacobian is None:
            return -self._through(self.gradient)
        v = self.r if v is None else v
        return self._of_pairs(v) if self.dual else self._of_columns(v)

    def _through(self, right):
        return linalg.cho_solve(self._factor, right, check_finite=False)

    def _of_columns(self, v):
        """Solve (J^T J + lam) x = -J^T v, and refine by J^T (v + J x) + lam x."""
        x = -self._through(self.jacobian.T @ v)
        return x - self._through(self.jacobian.T @ (v + self.jacobian @ x) + self.lam * x)

    def _of_pairs(self, v):
        """Return x = -J^T y with (J J^T + lam) y = v, refined by v - J J^T y - lam y."""
        y = self._through(v)
        y += self._through(v - self.jacobian @ (self.jacobian.T @ y) - self.lam * y)
        return -(self.jacobian.T @ y)
