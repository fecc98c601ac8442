# SPDX-License-Identifier: MIT
"""Methods on the scalar loss r . r: every estimator of the library, and the gradient from within the layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace

import numpy as np

from bpfree.engines.probes import perturb
from bpfree.estimators import ESTIMATORS
from bpfree.estimators.coordinate_descent import CoordinateDescent
from bpfree.estimators.rge import RGE
from bpfree.estimators.table import QUIET_STEPS
from bpfree.pde.methods.table import Iteration, Method, MethodRow, Moved, lost
from bpfree.pde.objective import square
from bpfree.registry import host_only
from bpfree.updates.adam import Adam
from bpfree.updates.table import Record, Update


class Rows:
    """The rows of a step's residual vector as a batch of samples, whose losses N r_i^2 have the loss as their mean."""

    def __init__(self, residuals):
        self.residuals = residuals

    def __len__(self):
        return self.residuals.size

    def evaluate(self, graph, theta, frozen, batch, loss, probes):
        """Losses (probes, N), in the way of an engine."""
        size = self.residuals.size
        with np.errstate(over="ignore", invalid="ignore"):
            return np.stack([size * self.residuals(perturb(graph, theta, probe)) ** 2 for probe in probes])


class _Updated(Iteration):
    """What both share: an update with its state."""

    def __init__(self, settings, objective):
        super().__init__(settings, objective)
        self.graph, self.state, self.quiet = objective.parameters(), None, 0

    def move(self, theta, step, seen: Record, loss) -> Moved:
        """theta moved by the update."""
        update = self.settings.update
        if self.state is None:
            self.state = update.init(theta, seen.coefficients.size)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # an overflow is a result
            gradient = seen.gradient(step, seen.coefficients)
            there, state = update.update(gradient, self.state, theta, step, seen)
        if not np.isfinite(there).all():
            advice = f"step {step}: the update overflows; it was not made: try a smaller lr, or clip"
            return Moved(theta, loss, code="overflow", advice=advice)
        self.state, self.quiet = state, 0 if seen.coefficients.any() else self.quiet + 1
        if self.quiet >= QUIET_STEPS:
            advice = f"no probe changed the loss for {self.quiet} steps: try a larger mu, unless this is a minimum"
            return Moved(there, loss, code="mu_too_small", advice=f"step {step}: {advice}")
        return Moved(there, loss)


class _Estimated(_Updated):
    def step(self, theta, step):
        """The estimator's own step, with rows of r in the place of samples."""
        estimator, rows = self.settings.estimator, Rows(self.objective.at(step))
        estimate = estimator.estimate(self._trainer(rows), rows, theta, rows, step)
        loss = float(np.mean(estimate.losses))
        if not estimate.finite:
            return lost(None, theta, step, "the loss at a probe")
        record = estimate.coefficients.astype(theta.dtype)
        probed = partial(estimator.coordinates, self.graph, self.objective.seed)
        return self.move(theta, step, Record(record, estimator.averaged, self._gradient, probed), loss)

    def _trainer(self, rows):
        return SimpleNamespace(
            graph=self.graph, frozen=None, loss=None, seed=self.objective.seed, batch_size=len(rows),
            rows={"estimator": ESTIMATORS.of(self.settings.estimator)},
        )  # fmt: skip

    def _gradient(self, step, coefficients):
        cut = self.settings.update.cut(coefficients)
        return self.settings.estimator.gradient(self.graph, self.objective.seed, step, cut)

    def cost(self, step):
        """Each evaluation is one of r."""
        return self.settings.estimator.evaluations(self.graph) * self.objective.at(step).passes


class _Exact(_Updated):
    def step(self, theta, step):
        """2 J^T r."""
        with np.errstate(over="ignore", invalid="ignore"):
            r, half = self.objective.jacobian(step, "structured").gradient(theta)
        if not np.isfinite(square(r)) or not np.isfinite(half).all():
            return lost(r, theta, step, "the residual or its gradient")
        self.objective.spend(r.size * half.size)
        seen = Record(2 * half[None], 1, lambda step, record: record[0], lambda step: None)
        return self.move(theta, step, seen, square(r))

    def cost(self, step):
        """The blocks of J, and the product."""
        residuals = self.objective.at(step)
        jacobian = self.objective.jacobian(step, "structured")
        return jacobian.passes + residuals.size * jacobian.columns.size // residuals.unit


@dataclass(frozen=True)
class FirstOrder(Method):
    """An estimator of the library on the loss r . r, then an update: RGE, CGE, Hybrid, CoordinateDescent, ...

    Rows of r are its samples: differences are taken row by row, at the same points and with the same directions of
    the rule. estimator: one that looks at losses only; groupings "layer" and "tensor" are those of the network.
    Black-box tier. It takes many more steps than :class:`LevenbergMarquardt`; it is what a device or a
    photonic chip can do.

    >>> import bpfree as bf
    >>> method = FirstOrder(bf.RGE(n_queries=10, mu=1e-3), bf.Adam(1e-2))
    >>> solution = bf.pde.solve(bf.pde.Poisson(dim=1), method=method, points=32, max_steps=100)
    >>> solution.history.losses[-1] < 0.5 * solution.history.losses[0]
    True
    """

    estimator: object = field(default_factory=lambda: RGE(n_queries=10, mu=1e-3))
    update: Update = field(default_factory=Adam)

    iteration, steps, look_every, tier = _Estimated, 5000, 100, "black-box"

    def __post_init__(self):
        row = ESTIMATORS.of(self.estimator)
        if row.tier != "black-box":
            expected = "one that looks at losses only, such as RGE or CGE"
            raise ValueError(f"estimator: expected {expected}, got {row.name}: StructuredGradient looks into layers")
        if isinstance(self.estimator, CoordinateDescent):
            self.estimator.check_update(self.update)
        self.update.check_estimator(row)


@dataclass(frozen=True)
class StructuredGradient(Method):
    """2 J^T r, the gradient of r . r from within the layers, then an update; J is never held.

    For networks too large for :class:`LevenbergMarquardt`. J's blocks are found as its route "structured" does: by
    moving units of layers, and going forward from there. Layer-access tier.

    >>> import bpfree as bf
    >>> method = StructuredGradient(bf.Adam(1e-2))
    >>> solution = bf.pde.solve(bf.pde.Poisson(dim=1), method=method, points=32, max_steps=100)
    >>> solution.history.losses[-1] < 0.2 * solution.history.losses[0]
    True
    """

    update: Update = field(default_factory=Adam)

    iteration, steps, look_every = _Exact, 2000, 50

    def __post_init__(self):
        if self.update.sees_record:
            raise ValueError(f"update: expected one that needs no record of probes, such as Adam, got {self.update!r}")


ROW = MethodRow(
    4, "first_order", host_only("estimators have rows of their own"), FirstOrder, "black-box",
    "any estimator on the scalar loss",
)  # fmt: skip
GRADIENT_ROW = MethodRow(
    5, "structured_gradient", host_only("float64"), StructuredGradient, "layer-access",
    "the exact gradient, then an update such as Adam",
)  # fmt: skip
