# SPDX-License-Identifier: MIT
"""The heat equation on a cube of any dimension."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_count, check_positive
from bpfree.pde.conditions import Dirichlet, Initial
from bpfree.pde.domain import Box
from bpfree.pde.problem import Problem
from bpfree.pde.problems.table import ProblemRow, product_of_sines
from bpfree.registry import host_only


class Heat(Problem):
    """u_t = alpha Lap u on [0, 1]^D x [0, 1], u(x, 0) = prod sin(pi x_k), u = 0 at the walls.

    The solution is u = exp(-D alpha pi^2 t) prod sin(pi x_k). The conditions are hard:
    u = prod sin(pi x_k) + t prod 4 x_k (1 - x_k) f.

    dim: number of dimensions D. alpha: the diffusivity.

    >>> Heat(dim=3).reference([[0.5, 0.5, 0.5, 0.0]]).tolist()
    [[1.0]]
    """

    conditions = (Dirichlet("x", 0.0, hard=True), Initial(product_of_sines, hard=True))

    def __init__(self, dim: int = 1, alpha: float = 0.1):
        self.dim, self.alpha = check_count("dim", dim), check_positive("alpha", alpha)
        self.domain = Box(x=(0, 1, self.dim), t=(0, 1))

    def residual(self, u, c):
        """Return u_t - alpha Lap u."""
        return u.t - self.alpha * u.laplacian("x")

    def exact(self, c):
        """Return exp(-D alpha pi^2 t) prod sin(pi x_k)."""
        return np.exp(-self.dim * self.alpha * np.pi**2 * c.t) * product_of_sines(c.x)


ROW = ProblemRow(
    5, "heat", host_only("its residual is a formula in Python"), Heat, "a cooling body in any number of dimensions"
)
