# SPDX-License-Identifier: MIT
"""Gauss-Newton by least squares: on all parameters, or on the last layer, where one step often solves it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from bpfree.errors import check_choice, check_count, check_share
from bpfree.pde.jacobian import ROUTES
from bpfree.pde.methods.table import Iteration, Method, MethodRow, Moved, not_finite
from bpfree.pde.objective import square
from bpfree.registry import host_only

ROUNDING = 1e-13
"""A step that moves J theta by less than this share of it is lost in rounding."""


class _Iteration(Iteration):
    def step(self, theta, step):
        """Least squares by singular values; half the step, a quarter, ... where the whole one does not pay."""
        residuals, jacobian = self.objective.at(step), self._jacobian(step)
        with np.errstate(over="ignore", invalid="ignore"):
            r, whole = jacobian.dense(theta)
        loss = square(r)
        if not np.isfinite(loss) or not np.isfinite(whole).all():
            return not_finite(r, theta, step, "the residual or its Jacobian")
        delta, _, rank, _ = linalg.lstsq(whole, -r, cond=self.settings.cutoff, lapack_driver="gelsd")
        self.objective.spend(2 * whole.size * min(whole.shape))
        if np.linalg.norm(whole @ delta) <= ROUNDING * np.linalg.norm(whole @ theta[jacobian.columns]):
            advice = "the step is within rounding: this is the solution"
            return Moved(theta, loss, r, code="stalled", advice=f"step {step}: {advice}")
        share = 1.0
        for _ in range(self.settings.halvings + 1):
            there = theta.copy()
            there[jacobian.columns] += share * delta
            moved = residuals(there)
            if square(moved) < loss:
                return Moved(there, square(moved), moved, f"rank {rank}, step {share:g}")
            share /= 2
        advice = "no part of the step lowers the loss on these points: it is as low as it gets"
        return Moved(theta, loss, r, code="stalled", advice=f"step {step}: {advice}")

    def _jacobian(self, step):
        return self.objective.jacobian(step, self.settings.route, self.settings.head_only)

    def cost(self, step):
        """The Jacobian, the factors, one look."""
        residuals, jacobian = self.objective.at(step), self._jacobian(step)
        n, d = residuals.size, jacobian.columns.size
        return jacobian.passes + residuals.passes + 2 * n * d * min(n, d) // residuals.unit

    def largest_product(self, step):
        """The factors of J, or a layer with its inputs."""
        n, d = self.objective.at(step).size, self._jacobian(step).columns.size
        return max(n * d * min(n, d), super().largest_product(step))


@dataclass(frozen=True)
class GaussNewton(Method):
    """delta of least |r + J delta|^2, of least length where there are several; then theta + delta, or part of the way.

    cutoff: singular values of J below this share of the largest count as 0. halvings: of a step that does not lower
    the loss. route: as in :class:`LevenbergMarquardt`, which is safer far from a solution.

    >>> import bpfree as bf
    >>> solution = bf.pde.solve(bf.pde.Poisson(dim=1), method=GaussNewton(cutoff=1e-6), points=64, max_steps=10)
    >>> solution.error() < 1e-2
    True
    """

    cutoff: float = 1e-10
    halvings: int = 8
    route: str | None = None

    iteration, head_only, steps, look_every = _Iteration, False, 100, 1

    def __post_init__(self):
        check_share("cutoff", self.cutoff)
        check_count("halvings", self.halvings, 0)
        check_choice("route", self.route, (None, *ROUTES))


@dataclass(frozen=True)
class LeastSquaresHead(Method):
    """Gauss-Newton on the parameters of the last layer alone; the others stay as they are.

    Where the residual is linear in u, and so in these parameters, the first step is the least-squares solution, and the
    few that follow undo its rounding. Else a few steps are needed. Its columns are products of the last hidden layer's
    streams with how the formula moves with them: no probe of a layer.

    cutoff, halvings: as in :class:`GaussNewton`. Closed-form tier.

    >>> import bpfree as bf
    >>> solution = bf.pde.solve(bf.pde.Poisson(dim=1), method=LeastSquaresHead(), points=64)
    >>> solution.steps < 10, solution.error() < 1e-3
    (True, True)
    """

    cutoff: float = 1e-13
    halvings: int = 8

    iteration, head_only, route, steps, look_every, tier = _Iteration, True, None, 20, 1, "closed-form"

    def __post_init__(self):
        check_share("cutoff", self.cutoff)
        check_count("halvings", self.halvings, 0)


ROW = MethodRow(
    1, "gauss_newton", host_only("solves dense systems in float64"), GaussNewton, "layer-access",
    "least squares on the linearised residual",
)  # fmt: skip
HEAD_ROW = MethodRow(
    2, "least_squares_head", host_only("solves dense systems in float64"), LeastSquaresHead, "closed-form",
    "the last layer by least squares",
)  # fmt: skip
