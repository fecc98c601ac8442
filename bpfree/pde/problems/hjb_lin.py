# SPDX-License-Identifier: MIT
"""HJB-LIN: a Hamilton-Jacobi-Bellman equation whose solution is linear."""

from __future__ import annotations

from bpfree.errors import check_count
from bpfree.model import Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.sin import Sin
from bpfree.ops.tt_linear import TTLinear
from bpfree.pde.conditions import Terminal
from bpfree.pde.domain import Box
from bpfree.pde.problem import Problem
from bpfree.pde.problems.table import ProblemRow, components


class HJBLIN(Problem):
    """u_t + Lap u - 1/D |grad u|^2 = -2 on [0, 1]^D x [0, 1], u(x, 1) = sum x; u = sum x + 1 - t.

    This is the published test of forward-only training at D = 20. The ansatz u = sum x + (1 - t) f satisfies the
    terminal condition and leaves f = 1 to be found. So it is a smoke test: the zero network has an error of 5.5 %, and
    the output bias alone solves it.

    dim: number of dimensions D.

    >>> HJBLIN().network().graph.n_theta
    1929
    """

    points = 100

    def __init__(self, dim: int = 20):
        self.dim = check_count("dim", dim)
        self.domain = Box(x=(0, 1, self.dim), t=(0, 1))
        self.conditions = (Terminal(lambda x: sum(components(x)), hard=True),)

    def residual(self, u, c):
        """Return u_t + Lap u - 1/D |grad u|^2 + 2."""
        return u.t + u.laplacian("x") - u.grad_square("x") / self.dim + 2.0

    def exact(self, c):
        """Return sum x + 1 - t."""
        return sum(components(c.x)) + (1.0 - c.t)

    def network(self, seed: int = 0):
        """Return a network 21-512-512-1 with sin, of two tensor trains of rank 2 and a dense layer.

        It has 1,929 parameters at D = 20.
        """
        first = TTLinear(512, rank=2)
        if self.dim == 20:
            first = TTLinear((1, 1, 3, 7), (8, 4, 4, 4), rank=2)
        second = TTLinear((4, 4, 4, 8), (8, 4, 4, 4), rank=2)
        return Sequential(self.dim + 1, [first, Sin(), second, Sin(), Linear(1)], seed=seed)


ROW = ProblemRow(
    number=1,
    name="hjb_lin",
    c="bpfree_residual_hjb_lin",
    settings=HJBLIN,
    what="optimal control with a linear value function",
    coefficients=lambda problem: (1 / problem.dim, -2.0, 1.0),
)
