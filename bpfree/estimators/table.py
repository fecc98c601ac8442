# SPDX-License-Identifier: MIT
"""What an estimator is, what it gives back, and its row of the table."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bpfree.arithmetic import running_sum
from bpfree.probes import Probes, records
from bpfree.registry import HostOnly
from bpfree.schedules.table import Schedule

GROUPINGS = ("joint", "layer", "tensor")
"""In the order of `enum bpfree_grouping`."""


QUIET_STEPS = 10
"""Steps in a row without any difference of losses after which mu is below float resolution."""


@dataclass(frozen=True)
class Estimate:
    """What an estimator makes of the losses of one step.

    coefficients (groups, queries): g = sum_i coefficients_i u_i, the record of
    the step. losses (evaluations, B): of every sample, wherever the minibatch was
    looked at. forwards: what that cost, all multiply-accumulates in units of one
    sample's plain pass. diagnostics: named numbers.
    """

    coefficients: np.ndarray
    losses: np.ndarray
    forwards: int
    diagnostics: dict = field(default_factory=dict)

    @property
    def n_evaluations(self) -> int:
        """Losses of the minibatch that were looked at."""
        return len(self.losses)

    @property
    def loss(self) -> float:
        """Their mean."""
        return float(self.losses.mean())

    @property
    def finite(self) -> bool:
        """False when a loss was NaN or infinite; such a step never updates."""
        return bool(np.isfinite(self.coefficients).all())


class Estimator:
    """Differences of losses along directions: ask for points, tell their losses, rebuild g from coefficients.

    coefficient = sum_b [L_b(theta + mu u) - L_b(theta - mu u)] / (2 mu B averaged) * scale, or one-sided.
    Everything is a pure function of its arguments. Subclasses have `direction`,
    `mu` and `two_sided`, and define `record_shape`, `points` and `gradient`.
    """

    grouping = "joint"
    averaged = 1
    """Coefficients whose mean is taken."""

    sides = 1
    """Copies of the activations a device keeps: 2 where a forward pass computes both sides at once."""

    def mu_at(self, step: int) -> np.float32:
        """The smoothing radius of a step, fl(mu factor): a float32 number in every engine."""
        return self.mu.value(step) if isinstance(self.mu, Schedule) else np.float32(self.mu)

    def start(self, theta0, **settings):
        """An `AskTell` run from theta0, for losses that are measured elsewhere: for points in run: run.tell(losses)."""
        from bpfree.estimators.asktell import AskTell

        return AskTell(self, theta0, **settings)

    def record_shape(self, graph) -> tuple[int, int]:
        """Shape of the coefficients of a step: (groups, coefficients of a group)."""
        raise NotImplementedError

    def points(self, graph, seed: int, step: int) -> np.ndarray:
        """RECORD of each coefficient's direction, in the record's order; mu is filled in by `ask`."""
        raise NotImplementedError

    def gradient(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """g (n_theta,) of a step from its coefficients, in their precision."""
        raise NotImplementedError

    def factor(self, graph) -> float:
        """What every coefficient is multiplied by, the `scale` of `bpfree_trainer`."""
        return 1.0

    def averages(self, graph):
        """How many coefficients the mean is taken over that each is part of: a number, or one each."""
        return self.averaged

    def work(self, graph, batch_size: int) -> int:
        """Floats of working memory on a device, as `bpfree_work_size` says."""
        return 0

    def evaluations(self, graph) -> int:
        """Loss evaluations of one step."""
        groups, each = self.record_shape(graph)
        return 2 * groups * each if self.two_sided else groups * each + 1

    def forwards(self, graph, batch_size: int) -> int:
        """What a step costs, in passes of one sample."""
        return self.evaluations(graph) * batch_size

    def estimate(self, trainer, engine, theta, batch, step: int) -> Estimate:
        """One step's Estimate at theta on a batch: the loop around ask and tell."""
        probes = self.ask(trainer.graph, trainer.seed, step)
        values = engine.evaluate(trainer.graph, theta, trainer.frozen, batch, trainer.loss, probes)
        return self.tell(trainer.graph, step, values)

    def ask(self, graph, seed: int, step: int) -> Probes:
        """The probes of a step: [theta,] then for each coefficient plus [and minus]."""
        mu, points = self.mu_at(step), self.points(graph, seed, step)
        if self.two_sided:
            points = np.repeat(points, 2)
            points["mu"] = np.tile([mu, -mu], len(points) // 2)
            return Probes(points)
        points["mu"] = mu
        return Probes(np.concatenate([records(1, self.direction, seed, step), points]))

    @np.errstate(over="ignore", invalid="ignore")  # a loss that is not finite is a result: Estimate.finite
    def tell(self, graph, step: int, values) -> Estimate:
        """Per-sample losses (probes, B) in the order asked for, to an estimate.

        Differences are taken per sample, summed in order, and multiplied once:
        a difference of means would be 7 to 10 times noisier.
        """
        real = values.dtype.type
        differences = values[0::2] - values[1::2] if self.two_sided else values[1:] - values[:1]
        width = real(2 if self.two_sided else 1) * real(self.mu_at(step))
        count = np.asarray(values.shape[1] * self.averages(graph), real)
        share = real(1) / (width * count) * real(np.float32(self.factor(graph)))
        coefficients = running_sum(differences, axis=1) * share
        return Estimate(coefficients.reshape(self.record_shape(graph)), values, values.size)


@dataclass(frozen=True)
class EstimatorRow:
    """One row of the table: settings class and its direction, C symbol, kind of journal record, tier."""

    number: int
    name: str
    c: str | HostOnly
    settings: type
    direction: str
    journal: str
    tier: str
