# SPDX-License-Identifier: MIT
"""Acoustics: pressure and velocity in a pipe, as a system of two equations."""

from __future__ import annotations

import numpy as np

from bpfree.pde.conditions import Dirichlet, Initial
from bpfree.pde.domain import Box
from bpfree.pde.problem import Problem
from bpfree.pde.problems.table import ProblemRow
from bpfree.registry import host_only


class Acoustics(Problem):
    """p_t + v_x = 0, v_t + p_x = 0 on [0, 1]^2: p(x, 0) = sin(pi x), v(x, 0) = 0, p = 0 at both open ends.

    The solution is p = sin(pi x) cos(pi t), v = -cos(pi x) sin(pi t). The conditions are hard, and each output has
    its own ansatz.

    >>> Acoustics().outputs, Acoustics().reference([[0.5, 0.0]]).tolist()
    (('p', 'v'), [[1.0, -0.0]])
    """

    domain = Box(x=(0, 1), t=(0, 1))
    outputs = ("p", "v")
    conditions = (
        Dirichlet("x", 0.0, output="p", hard=True),
        Initial(lambda x: np.sin(np.pi * x), output="p", hard=True),
        Initial(0.0, output="v", hard=True),
    )

    def residual(self, u, c):
        """Return p_t + v_x and v_t + p_x."""
        return u.p.t + u.v.x, u.v.t + u.p.x

    def exact(self, c):
        """Return pressure and velocity."""
        x, t = np.pi * c.x, np.pi * c.t
        return np.sin(x) * np.cos(t), -np.cos(x) * np.sin(t)


ROW = ProblemRow(
    10, "acoustics", host_only("its residual is a formula in Python"), Acoustics, "sound in a pipe, with two outputs"
)
