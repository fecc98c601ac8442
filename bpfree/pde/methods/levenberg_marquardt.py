# SPDX-License-Identifier: MIT
"""Levenberg-Marquardt on the residual vector, its Jacobian from forward passes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_choice, check_count, check_positive
from bpfree.pde.damped import Damped
from bpfree.pde.jacobian import ROUTES
from bpfree.pde.methods.table import Method, MethodRow, Moved, Walk, lost
from bpfree.pde.objective import square
from bpfree.registry import host_only

MOST_FLOATS = 1 << 26
"""Of a Jacobian that is held whole, half a gigabyte; of a larger one, J^T J and J^T r are summed up block by block."""

ACCEPTED = 1e-4
"""Gain ratio from which a step is taken."""


class _Walk(Walk):
    lam, growth = None, 2.0

    def step(self, theta, step):
        """One Jacobian; dampings are tried until a step lowers the loss."""
        residuals, jacobian = self.objective.at(step), self._jacobian(step)
        damped = self._damped(residuals, jacobian, theta)
        loss = square(damped.r)
        if not np.isfinite(loss) or not damped.finite:
            return lost(damped.r, theta, step, "the residual or its Jacobian")
        self.objective.spend(damped.macs)
        if self.lam is None:
            self.lam = self.settings.damping * damped.largest
        for _ in range(self.settings.tries):
            moved = self._tried(residuals, damped, theta, loss)
            if moved is not None:
                return moved
        advice = "no damping lowers the loss on these points: it is as low as it gets, or they are too few"
        return Moved(theta, loss, damped.r, code="stalled", advice=f"step {step}: {advice}")

    def _tried(self, residuals, damped, theta, loss):
        """The step of the present damping, if it lowers the loss; else None and more damping."""
        delta, lam = damped.solve(self.lam), self.lam
        self.objective.spend(len(damped.gram) ** 3 // 6 + 4 * damped.gradient.size * len(damped.r))
        if delta is not None:
            there = theta + delta
            r = residuals(there)
            new = square(r)
            gain = (loss - new) / max(lam * (delta @ delta) - damped.gradient @ delta, np.finfo(float).tiny)
            if np.isfinite(new) and gain > ACCEPTED:
                self.lam *= max(1 / 3, 1 - (2 * min(gain, 2.0) - 1) ** 3)
                self.growth = 2.0
                return Moved(there, new, r, f"damping {lam:.1e}")
        self.lam *= self.growth
        self.growth *= 2
        return None

    def _jacobian(self, step):
        return self.objective.jacobian(step, self.settings.route)

    def _damped(self, residuals, jacobian, theta):
        with np.errstate(over="ignore", invalid="ignore"):
            if residuals.size * theta.size <= MOST_FLOATS:
                return Damped(*jacobian.dense(theta))
            r, gradient, gram = jacobian.normal(theta)
            return Damped(r, gram=gram, gradient=gradient)

    def cost(self, step):
        """The Jacobian, the products, and a try."""
        residuals, d = self.objective.at(step), self._jacobian(step).columns.size
        n = min(d, residuals.size)
        macs = n * n * max(d, residuals.size) // 2 + n**3 // 6
        return self._jacobian(step).passes + residuals.passes + macs // residuals.unit


@dataclass(frozen=True)
class LevenbergMarquardt(Method):
    """Damped Gauss-Newton on the residual vector r(theta) (Levenberg 1944; Marquardt 1963; damping by Nielsen 1999).

        (J^T J + lam) delta = -J^T r,   gain = (|r|^2 - |r(theta + delta)|^2) / (|r|^2 - |r + J delta|^2)

    A step with gain > 1e-4 is taken, and lam multiplied by max(1/3, 1 - (2 gain - 1)^3); else lam grows by 2, 4, 8, ..
    and the same J is used again. All values of a step are at the same points.

    damping: first lam, in units of the largest element of J^T J's diagonal. tries: of dampings, for one J.
    route: how J is found: "structured", by moving units of layers and going forward from there (layer-access tier),
    "black_box", d + 1 vectors r, "black_box_two_sided", 2 d; default: the cheaper one of the first two.

    The strongest method for up to some 5,000 parameters. J is solved for in float64.

    >>> import bpfree as bf
    >>> solution = bf.pde.solve(bf.pde.Poisson(dim=1), method=LevenbergMarquardt(), points=64, max_steps=20)
    >>> solution.error() < 1e-3
    True
    """

    damping: float = 1e-3
    tries: int = 12
    route: str | None = None

    walk = _Walk

    def __post_init__(self):
        check_positive("damping", self.damping)
        check_count("tries", self.tries)
        check_choice("route", self.route, (None, *ROUTES))


ROW = MethodRow(
    0, "levenberg_marquardt", host_only("solves dense systems in float64"), LevenbergMarquardt, "layer-access",
    "damped Gauss-Newton on the residual vector",
)  # fmt: skip
