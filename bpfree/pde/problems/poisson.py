# SPDX-License-Identifier: MIT
"""Poisson's equation on a cube of any dimension."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_count
from bpfree.pde.conditions import Dirichlet
from bpfree.pde.domain import Box
from bpfree.pde.problem import Problem
from bpfree.pde.problems.table import ProblemRow, product_of_sines
from bpfree.registry import host_only


class Poisson(Problem):
    """-Lap u = D pi^2 prod sin(pi x_k) on [0, 1]^D, u = 0 at the boundary; u = prod sin(pi x_k).

    The condition is hard: u = prod 4 x_k (1 - x_k) f. dim: number of dimensions D.

    >>> Poisson(dim=1).reference([[0.5]]).tolist()
    [[1.0]]
    """

    conditions = (Dirichlet("x", 0.0, hard=True),)

    def __init__(self, dim: int = 2):
        self.dim = check_count("dim", dim)
        self.domain = Box(x=(0, 1, self.dim))
        self.fields = {"source": lambda x: self.dim * np.pi**2 * product_of_sines(x)}

    def residual(self, u, c):
        """Return Lap u + D pi^2 prod sin(pi x_k)."""
        return u.laplacian("x") + c.source

    def exact(self, c):
        """Return prod sin(pi x_k)."""
        return product_of_sines(c.x)


ROW = ProblemRow(
    4, "poisson", host_only("its residual is a formula in Python"), Poisson, "a membrane in any number of dimensions"
)
