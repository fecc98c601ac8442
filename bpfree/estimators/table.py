# SPDX-License-Identifier: MIT
"""What an estimator is, what it gives back, and its row of the table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf

import numpy as np

from bpfree.arithmetic import running_sum
from bpfree.engines.probes import Probes, probe_rows
from bpfree.engines.reuse import Flow
from bpfree.estimators.lost import has_a_difference, tell_arrived
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

    may_lose = False
    """Can it do without some losses? Yes where no coefficient depends on another's."""

    record_is_gradient = False
    """Is `gradient` the record itself, (1, n_theta)?"""

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
        """PROBE of each coefficient's direction, in the record's order; mu is filled in by `ask`."""
        raise NotImplementedError

    def gradient(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """g (n_theta,) of a step from its coefficients, in their precision."""
        raise NotImplementedError

    def coordinates(self, graph, seed: int, step: int):
        """Elements of theta whose partial derivatives a step's coefficients are, in their order; else None."""
        return None

    def factor(self, graph) -> float:
        """What every coefficient is multiplied by, the `scale` of `bpfree_trainer`."""
        return 1.0

    def scales(self, graph):
        """What coefficients are multiplied by one by one, float32 and last of all."""
        return np.float32(1)

    def averages(self, graph):
        """How many coefficients the mean is taken over that each is part of: a number, or one each."""
        return self.averaged

    def combined(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """The record of a step from what `tell` made of each difference; here they are the same."""
        return coefficients

    def combining(self, graph) -> int:
        """What `combined` costs, in passes of one sample."""
        return 0

    def native_settings(self, graph) -> dict:
        """Fields of `bpfree_trainer` that only this estimator has."""
        return {}

    def work(self, graph, batch_size: int) -> int:
        """Floats of working memory on a device, as `bpfree_work_size` says."""
        return 0

    def weights(self, graph) -> int:
        """Floats that a device makes of a group's coefficients before their gradient, where it needs `work` for it."""
        return self.record_shape(graph)[1]

    def check_update(self, update) -> None:
        """Raise unless this update can work with these settings."""

    def refusal(self, graph) -> str | None:
        """What a device cannot train this graph for, in words; None where it can."""
        return None

    def kept(self, graph) -> frozenset[int]:
        """Tensors that a pass on a device leaves in the arena for the estimator."""
        return frozenset()

    def layers(self, graph, loss):
        """`bpfree_layers` for this graph and loss; None for estimators that look at losses only."""
        return None

    def evaluations(self, graph) -> int:
        """Loss evaluations of one step."""
        groups, each = self.record_shape(graph)
        return 2 * groups * each if self.two_sided else groups * each + 1

    def forwards(self, graph, batch_size: int) -> int:
        """What a step costs on average, in passes of one sample, where an engine keeps all it can use again."""
        flow, sides = Flow(graph), 2 if self.two_sided else 1
        counts = {changed: sides * n for changed, n in self.count_moves(flow).items()}
        if not self.two_sided:
            counts[0] = counts.get(0, 0) + 1
        return flow.forwards(counts, flow.choose(counts, inf), batch_size) + self.combining(graph)

    def count_moves(self, flow: Flow) -> dict:
        """How many directions of a step, on average, change which nodes."""
        points = self.points(flow.graph, 0, 0)
        points["mu"] = 1.0
        return flow.count(points)

    def cost(self, trainer, engine, step: int) -> int:
        """The forwards that `estimate` will spend at a step."""
        probes = self.ask(trainer.graph, trainer.seed, step)
        return _spent(engine, trainer.graph, trainer.batch_size, probes) + self.combining(trainer.graph)

    def estimate(self, trainer, engine, theta, batch, step: int) -> Estimate:
        """One step's Estimate at theta on a batch: the loop around ask and tell.

        With an engine that may lose losses (`evaluate_in_time`) it is made of those
        that arrive, if this estimator can do without the others.
        """
        graph, given = trainer.graph, (trainer.graph, theta, trainer.frozen, batch, trainer.loss)
        probes = self.ask(graph, trainer.seed, step)
        if hasattr(engine, "evaluate_in_time") and self.may_lose:
            values, arrived = engine.evaluate_in_time(*given, probes)
            if not (self.two_sided or arrived[0]):  # L(theta), without which the others are nothing
                values[:1], arrived[0] = engine.evaluate(*given, probes[:1]), True
            if not has_a_difference(self, arrived).any():
                values, arrived = engine.evaluate(*given, probes), np.ones(len(probes), bool)
            if not arrived.all():
                return tell_arrived(self, graph, step, values, arrived)
        else:
            values = engine.evaluate(*given, probes)
        told, spent = self.tell(graph, step, values), _spent(engine, graph, len(batch), probes)
        record = self.combined(graph, trainer.seed, step, told.coefficients)
        return replace(told, coefficients=record, forwards=spent + self.combining(graph))

    def ask(self, graph, seed: int, step: int) -> Probes:
        """The probes of a step: [theta,] then for each coefficient plus [and minus]."""
        mu, points = self.mu_at(step), self.points(graph, seed, step)
        if self.two_sided:
            points = np.repeat(points, 2)
            points["mu"] = np.tile([mu, -mu], len(points) // 2)
            return Probes(points)
        points["mu"] = mu
        return Probes(np.concatenate([probe_rows(1, self.direction, seed, step), points]))

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
        coefficients = running_sum(differences, axis=1) * share * self.scales(graph)
        return Estimate(self.as_record(graph, coefficients), values, values.size)

    def as_record(self, graph, coefficients) -> np.ndarray:
        """The record of a step from the coefficients of what was asked for."""
        return coefficients.reshape(self.record_shape(graph))


def _spent(engine, graph, batch_size, probes) -> int:
    """A pass each, unless the engine says what it needed."""
    return engine.forwards(graph, batch_size, probes) if hasattr(engine, "forwards") else len(probes) * batch_size


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
