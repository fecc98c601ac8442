# SPDX-License-Identifier: MIT
"""Levenberg-Marquardt on the residual vector, its Jacobian from forward passes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_choice, check_count, check_positive
from bpfree.pde.damped import Damped
from bpfree.pde.jacobian import ROUTES
from bpfree.pde.methods.table import Iteration, Method, MethodRow, Moved, not_finite
from bpfree.pde.objective import square
from bpfree.registry import host_only

MOST_FLOATS = 1 << 26
"""Floats of a Jacobian that is held whole, half a gigabyte; of a larger one, J^T J and J^T r are sums over blocks."""

ACCEPTED = 1e-4
"""Gain ratio from which a step is taken."""

ALONG = 0.1
"""Share of the step at which the curvature along it is looked at."""

MOST_BENT = 0.75
"""|delta2| / |delta1| from which a step is refused: there the residual is not what its Jacobian says."""

FORGET, FLAT = 0.9, 1e-2
"""Share of a column's norm that is remembered from step to step; share of the largest that it counts as at least."""


class _Iteration(Iteration):
    lam, growth, norms = None, 2.0, None

    def step(self, theta, step):
        """One Jacobian; dampings are tried until a step lowers the loss."""
        residuals, jacobian = self.objective.at(step), self._jacobian(step)
        damped, scale = self._damped(residuals, jacobian, theta)
        loss = square(damped.r)
        if not np.isfinite(loss) or not damped.finite:
            return not_finite(damped.r, theta, step, "the residual or its Jacobian")
        self.objective.spend(damped.macs)
        if self.lam is None:
            self.lam = self.settings.damping * damped.largest
        for _ in range(self.settings.tries):
            moved = self._tried(residuals, damped, scale, theta, loss)
            if moved is not None:
                return moved
            self.lam *= self.growth
            self.growth *= 2
        advice = "no damping lowers the loss on these points: it is as low as it gets, or they are too few"
        return Moved(theta, loss, damped.r, code="stalled", advice=f"step {step}: {advice}")

    def _tried(self, residuals, damped, scale, theta, loss):
        """The step of the present damping, if it lowers the loss; else None."""
        self.objective.spend(damped.solving)
        if not damped.factorise(self.lam):
            return None
        delta = damped.solve()
        expected = self.lam * (delta @ delta) - damped.gradient @ delta
        if self._where_lasting("accelerated") and damped.jacobian is not None:
            second = self._second(residuals, damped, scale, theta, delta)
            if not np.linalg.norm(second) <= MOST_BENT * np.linalg.norm(delta):
                return None
            delta = delta + second
        there = theta + scale * delta
        r = residuals(there)
        gain = (loss - square(r)) / max(expected, np.finfo(float).tiny)
        if not (np.isfinite(gain) and gain > ACCEPTED):
            return None
        note = f"damping {self.lam:.1e}"
        self.lam *= max(1 / 3, 1 - (2 * min(gain, 2.0) - 1) ** 3)
        self.growth = 2.0
        return Moved(there, square(r), r, note)

    def _second(self, residuals, damped, scale, theta, delta):
        """delta2, of least |r'' / 2 + J x|^2 + lam |x|^2, r'' the second derivative of r along delta."""
        with np.errstate(over="ignore", invalid="ignore"):
            there = residuals(theta + ALONG * scale * delta)
            bend = ((there - damped.r) / ALONG - damped.jacobian @ delta) / ALONG
            self.objective.spend(5 * damped.jacobian.size)
            return damped.solve(bend)

    def _where_lasting(self, name) -> bool:
        """A setting that is None is on where points stay for some steps."""
        value = getattr(self.settings, name)
        return self.objective.lasting if value is None else value

    def _jacobian(self, step):
        return self.objective.jacobian(step, self.settings.route)

    def _damped(self, residuals, jacobian, theta):
        """Damped least squares in units of `scale` (d,), and that."""
        with np.errstate(over="ignore", invalid="ignore"):
            if residuals.size * theta.size <= MOST_FLOATS:
                r, whole = jacobian.dense(theta)
                scale = self._scale(np.sqrt((whole**2).sum(axis=0)))
                whole *= scale
                return Damped(r, whole), scale
            r, gradient, gram = jacobian.normal(theta)
            scale = self._scale(np.sqrt(gram.diagonal()))
            return Damped(r, gram=gram * scale * scale[:, None], gradient=gradient * scale), scale

    def _scale(self, norms):
        """1 over the norm of each column, remembered and bounded from below; or ones."""
        if not self._where_lasting("scaled"):
            return np.ones_like(norms)
        norms = np.maximum(norms, max(FLAT * norms.max(), np.finfo(float).tiny))
        self.norms = norms if self.norms is None else np.maximum(FORGET * self.norms, norms)
        return 1 / self.norms

    def cost(self, step):
        """The Jacobian, the products, and a try."""
        residuals, d = self.objective.at(step), self._jacobian(step).columns.size
        n, looks = min(d, residuals.size), 1 + self._where_lasting("accelerated")
        macs = n * n * max(d, residuals.size) // 2 + n**3 // 6 + 9 * d * residuals.size
        return self._jacobian(step).passes + looks * residuals.passes + macs // residuals.unit

    def largest_product(self, step):
        """J with itself, or a layer with its inputs."""
        n, d = self.objective.at(step).size, self._jacobian(step).columns.size
        return max(n * d * min(n, d), super().largest_product(step))


@dataclass(frozen=True)
class LevenbergMarquardt(Method):
    """Damped Gauss-Newton on the residual vector r(theta), with a second-order correction.

        (J^T J + lam) delta1 = -J^T r
        (J^T J + lam) delta2 = -J^T r'' / 2,   r'' = 2 (r(theta + h delta1) - r - h J delta1) / h^2,  h = 0.1
        gain = (|r|^2 - |r(theta + delta)|^2) / (|r|^2 - |r + J delta1|^2 - lam |delta1|^2),  delta = delta1 + delta2

    with theta in units of 1 / |column of J|. A step with gain > 1e-4 and |delta2| <= 0.75 |delta1| is taken, and lam
    multiplied by max(1/3, 1 - (2 gain - 1)^3); else lam grows by 2, 4, 8, .. and the same J is used again: a try costs
    two vectors r. All values of a step are at the same points. (Levenberg 1944; Marquardt 1963; damping by Nielsen
    1999; delta2, geodesic acceleration, by Transtrum and Sethna 2012.)

    damping: first lam, in units of the largest diagonal element of J^T J. tries: of dampings, for one J. accelerated:
    with delta2? scaled: in units of the columns? Both default to yes where points stay for five steps or more: to
    points that are new every step they would fit too closely. route: how J is found: "structured", by moving units of
    layers and going forward from there (layer-access tier), "black_box", d + 1 vectors r, "black_box_two_sided", 2 d;
    default: the cheaper one of the first two.

    The strongest method for up to some 5,000 parameters. J is solved with in float64.

    >>> import bpfree as bf
    >>> solution = bf.pde.solve(bf.pde.Poisson(dim=1), method=LevenbergMarquardt(), points=64, max_steps=20)
    >>> solution.error() < 1e-4
    True
    """

    damping: float = 1e-3
    tries: int = 12
    accelerated: bool | None = None
    scaled: bool | None = None
    route: str | None = None

    iteration = _Iteration

    def __post_init__(self):
        check_positive("damping", self.damping)
        check_count("tries", self.tries)
        check_choice("accelerated", self.accelerated, (None, True, False))
        check_choice("scaled", self.scaled, (None, True, False))
        check_choice("route", self.route, (None, *ROUTES))


ROW = MethodRow(
    0, "levenberg_marquardt", host_only("solves dense systems in float64"), LevenbergMarquardt, "layer-access",
    "damped Gauss-Newton on the residual vector",
)  # fmt: skip
