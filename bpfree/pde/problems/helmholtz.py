# SPDX-License-Identifier: MIT
"""Helmholtz: a standing wave on a square, driven by a source."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_count, check_finite
from bpfree.pde.conditions import Dirichlet
from bpfree.pde.domain import Box
from bpfree.pde.problem import Problem
from bpfree.pde.problems.table import ProblemRow
from bpfree.registry import host_only


class Helmholtz(Problem):
    """Lap u + k^2 u = q on [-1, 1]^2, u = 0 at the boundary; u = sin(a pi x) sin(b pi y) (Wang et al., SISC 2021).

    The conditions are hard: u = (1 - x^2) (1 - y^2) f.

    a, b: the numbers of half waves, published with 1 and 4. k: the wave number.

    >>> Helmholtz().reference([[0.5, 0.125]]).tolist()
    [[1.0]]
    """

    domain = Box(x=(-1, 1), y=(-1, 1))
    conditions = (Dirichlet("x", 0.0, hard=True), Dirichlet("y", 0.0, hard=True))

    def __init__(self, a: int = 1, b: int = 4, k: float = 1.0):
        self.a, self.b, self.k = check_count("a", a), check_count("b", b), check_finite("k", k)
        strength = self.k**2 - (self.a**2 + self.b**2) * np.pi**2
        self.fields = {"source": lambda c: strength * self.exact(c)}

    def residual(self, u, c):
        """Return Lap u + k^2 u - q."""
        return u.laplacian("x", "y") + self.k**2 * u - c.source

    def exact(self, c):
        """Return sin(a pi x) sin(b pi y)."""
        return np.sin(self.a * np.pi * c.x) * np.sin(self.b * np.pi * c.y)


ROW = ProblemRow(6, "helmholtz", host_only("its residual is a formula in Python"), Helmholtz, "a driven standing wave")
