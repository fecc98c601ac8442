# SPDX-License-Identifier: MIT
"""Darcy: flow through a medium of varying permeability."""

from __future__ import annotations

import numpy as np

from bpfree.pde.conditions import Dirichlet
from bpfree.pde.domain import Box
from bpfree.pde.problem import Problem
from bpfree.pde.problems.table import ProblemRow
from bpfree.registry import host_only


class Darcy(Problem):
    """-div(a grad u) = q on [0, 1]^2, u = 0 at the boundary, a = 1 + sin(2 pi x) sin(2 pi y) / 2, which is smooth.

    q is chosen so that u = sin(pi x) sin(pi y). The conditions are hard: u = 16 x (1 - x) y (1 - y) f.

    >>> Darcy().reference([[0.5, 0.5]]).tolist()
    [[1.0]]
    """

    domain = Box(x=(0, 1), y=(0, 1))
    conditions = (Dirichlet("x", 0.0, hard=True), Dirichlet("y", 0.0, hard=True))
    fields = {
        "a": lambda x, y: 1.0 + 0.5 * np.sin(2 * np.pi * x) * np.sin(2 * np.pi * y),
        "a_x": lambda x, y: np.pi * np.cos(2 * np.pi * x) * np.sin(2 * np.pi * y),
        "a_y": lambda x, y: np.pi * np.sin(2 * np.pi * x) * np.cos(2 * np.pi * y),
    }

    def residual(self, u, c):
        """Return a Lap u + grad a . grad u + q."""
        return c.a * u.laplacian("x", "y") + c.a_x * u.x + c.a_y * u.y + self._source(c)

    def _source(self, c):
        """Return q = -div(a grad u) of the solution."""
        sin_x, sin_y = np.sin(np.pi * c.x), np.sin(np.pi * c.y)
        cos_x, cos_y = np.cos(np.pi * c.x), np.cos(np.pi * c.y)
        flow = c.a_x * cos_x * sin_y + c.a_y * sin_x * cos_y
        return 2 * np.pi**2 * c.a * sin_x * sin_y - np.pi * flow

    def exact(self, c):
        """Return sin(pi x) sin(pi y)."""
        return np.sin(np.pi * c.x) * np.sin(np.pi * c.y)


ROW = ProblemRow(
    8, "darcy", host_only("its residual is a formula in Python"), Darcy, "flow through a medium of varying permeability"
)
