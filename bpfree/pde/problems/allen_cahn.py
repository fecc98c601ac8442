# SPDX-License-Identifier: MIT
"""Allen-Cahn: two phases that separate. Two problems of this name are in use, and their solutions differ."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_choice
from bpfree.pde.conditions import Dirichlet, Initial, Periodic
from bpfree.pde.domain import Box
from bpfree.pde.problem import Problem
from bpfree.pde.problems.spectral import solution
from bpfree.pde.problems.table import ProblemRow
from bpfree.registry import host_only

DIFFUSION = {"periodic": 1e-4, "dirichlet": 1e-3}
VARIANTS = tuple(DIFFUSION)


def _start(x):
    return x * x * np.cos(np.pi * x)


class AllenCahn(Problem):
    """u_t = d u_xx + 5 (u - u^3) on [-1, 1] x [0, 1], u(x, 0) = x^2 cos(pi x).

    variant: "periodic", with d = 1e-4, and u and u_x equal at both ends (Raissi, Perdikaris, Karniadakis, JCP 2019); or
    "dirichlet", with d = 1e-3, and u = -1 at both ends (the example of DeepXDE).

    The initial condition is hard, and so are the ends of "dirichlet". The reference is a Fourier series in x with an
    exponential Runge-Kutta method in t.

    >>> [round(AllenCahn(variant).reference([[0.0, 1.0]]).item(), 4) for variant in VARIANTS]
    [0.0296, 0.2753]
    """

    domain = Box(x=(-1, 1), t=(0, 1))

    def __init__(self, variant: str = "periodic"):
        self.variant = check_choice("variant", variant, VARIANTS)
        ends = Periodic("x") if variant == "periodic" else Dirichlet("x", -1.0, hard=True)
        self.conditions = (ends, Initial(_start, hard=True))

    def residual(self, u, c):
        """Return u_t - d u_xx - 5 (u - u^3)."""
        return u.t - DIFFUSION[self.variant] * u.xx - 5.0 * (u - u**3)

    def reference(self, points):
        """Return u (n, 1)."""
        points = self.domain.check(points)
        return solution(self.variant, DIFFUSION[self.variant], _start)(points[:, 0], points[:, 1])[:, None]


ROW = ProblemRow(
    7, "allen_cahn", host_only("its residual is a formula in Python"), AllenCahn, "two phases, in two variants"
)
