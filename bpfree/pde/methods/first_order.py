# SPDX-License-Identifier: MIT
"""Methods on the scalar loss r . r: every estimator of the library, and the gradient from within the layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from bpfree.engines.probes import perturb
from bpfree.estimators import ESTIMATORS
from bpfree.estimators.estimate import Estimate
from bpfree.estimators.rge import RGE
from bpfree.estimators.step import apply_record, check_pair, make_step, standstill
from bpfree.pde.jacobian import coupling
from bpfree.pde.methods.table import Iteration, Method, MethodRow, Moved, not_finite
from bpfree.pde.objective import square
from bpfree.registry import host_only
from bpfree.updates.adam import Adam
from bpfree.updates.table import Update


class Rows:
    """The rows of a step's residual vector as a batch of samples, whose losses N r_i^2 have the loss as their mean."""

    def __init__(self, residuals):
        self.residuals = residuals

    def __len__(self):
        return self.residuals.size

    def evaluate(self, graph, theta, frozen, batch, loss, probes):
        """Losses (probes, N) and their cost, in the way of an engine."""
        size = self.residuals.size
        with np.errstate(over="ignore", invalid="ignore"):
            losses = [size * self.residuals(perturb(graph, theta, probe)) ** 2 for probe in probes]
        return np.stack(losses), len(probes) * self.residuals.passes


class _Updated(Iteration):
    """What both share: an update with its state."""

    def __init__(self, settings, objective):
        super().__init__(settings, objective)
        self.graph, self.state, self.quiet = objective.parameters(), None, 0

    def move(self, theta, step, estimate: Estimate) -> Moved:
        """theta moved by the update."""
        if self.state is None:
            self.state = self.settings.update.init(theta, estimate.coefficients.size)
        made = make_step(estimate, self.apply, theta, self.state, step, self.quiet)
        self.state, self.quiet = made.state, made.quiet
        end = made.failure or standstill(step + 1, made.quiet)
        return Moved(made.theta, estimate.loss, code=end and end.code, advice=end.text if end else "")

    def apply(self, theta, state, step, record):
        """theta and state after a record."""
        raise NotImplementedError


class _Estimated(_Updated):
    def step(self, theta, step):
        """The estimator's own step, with rows of r in the place of samples."""
        rows = Rows(self.objective.at(step))
        run = SimpleNamespace(graph=self.graph, frozen=None, loss=None, seed=self.objective.seed)
        return self.move(theta, step, self.settings.estimator.estimate(run, rows, theta, rows, step))

    def apply(self, theta, state, step, record):
        """Return theta and state after the update along the estimator's gradient."""
        pair, seed = (self.settings.estimator, self.settings.update), self.objective.seed
        return apply_record(*pair, self.graph, seed, theta, state, step, record)

    def cost(self, step):
        """Each evaluation is one of r."""
        return self.settings.estimator.evaluations(self.graph) * self.objective.at(step).passes


class _Exact(_Updated):
    def __init__(self, settings, objective):
        super().__init__(settings, objective)
        reason = coupling(objective.at(0).coupled)
        if reason:
            expected = "one that takes differences of whole residuals, such as LevenbergMarquardt() or FirstOrder()"
            raise ValueError(f"method: expected {expected}, got {type(settings).__name__}: {reason}")

    def step(self, theta, step):
        """2 J^T r."""
        with np.errstate(over="ignore", invalid="ignore"):
            r, half = self.objective.jacobian(step, "structured").gradient(theta)
        if not np.isfinite(square(r)) or not np.isfinite(half).all():
            return not_finite(r, theta, step, "the residual or its gradient")
        self.objective.spend(r.size * half.size)
        return self.move(theta, step, Estimate(2 * half[None], np.array([[square(r)]]), 0))

    @np.errstate(over="ignore", invalid="ignore", under="ignore")  # an overflow is a result
    def apply(self, theta, state, step, record):
        """The record is the gradient."""
        return self.settings.update.update(record[0], state, theta, step)

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
        check_pair(self.estimator, self.update)


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
