# SPDX-License-Identifier: MIT
"""Differences of losses along directions: for black boxes, which need not be ours."""

from __future__ import annotations

from math import inf

import numpy as np

from bpfree.arithmetic import running_sum
from bpfree.directions import direction_of
from bpfree.engines.cost import cost_of
from bpfree.engines.probes import PROBE, Probes, check_range, own_of, probe_rows
from bpfree.engines.reuse import Flow, Moved
from bpfree.estimators.asktell import AskTell
from bpfree.estimators.estimate import Estimate
from bpfree.estimators.lost import evaluate_in_time, shares, tell_arrived
from bpfree.estimators.table import Estimator
from bpfree.registry import undefined
from bpfree.schedules.table import value_at


class Differences(Estimator):
    """Asks for points, is told their losses, and rebuilds g from coefficients.

    coefficient = sum_b [L_b(theta + mu u) - L_b(theta - mu u)] / (2 mu B averages) * factor, or one-sided.

    Subclasses are frozen dataclasses of their settings, and define `points`. What they may have besides: `mu`, a
    number or a schedule (2^-7); `two_sided` (True); `averaged`, how many directions the mean is taken of (1);
    `coefficients_are` ("slopes"), and `coordinates` where they are partial derivatives. A class of your own is a row
    without a number; its name is the class's qualified name, or class Mine(bpfree.Differences, name="mine").

    >>> import bpfree as bf
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class OneTensor(Differences):
    ...     averaged = 4
    ...     def points(self, graph, seed, step):
    ...         part = graph.trainable[step % len(graph.trainable)]
    ...         where = {"first": part.offset, "count": part.size}
    ...         return bf.probe_rows(4, "rademacher", seed, step, range(4), **where)
    >>> model, (x, y) = bf.Sequential(4, [bf.Linear(2)]), (np.eye(4, dtype="f4"), np.arange(4) % 2)
    >>> run = bf.train(model, (x, y), estimator=OneTensor(), update=bf.SGD(0.5), batch_size=4, max_steps=60)
    >>> run.tier, run.losses[-1] < 0.5 * run.losses[0]
    ('black-box', True)
    """

    tier = "black-box"

    may_lose = False
    """Can it do without some losses? Yes where no coefficient depends on another's, or `record_of` knows what to do."""

    def points(self, graph, seed: int, step: int) -> np.ndarray:
        """PROBE of each coefficient's direction, in the record's order, as `probe_rows` makes them; `ask` sets mu."""
        raise undefined("estimator", self, "points(graph, seed, step)")

    def record_shape(self, graph) -> tuple[int, int]:
        """(1, coefficients of a step): one for each of `points`."""
        return 1, len(self._points(graph, 0, 0))

    def gradient(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """g (n_theta,): the sum over ascending coefficients of fl(c scale) u."""
        gradient = np.zeros(graph.n_theta, coefficients.dtype)
        probes = Probes(self.points(graph, seed, step), own_of(self.direction))
        for c, probe in zip(coefficients.ravel(), probes, strict=True):
            direction_of(probe.direction).move(gradient, graph.pieces(probe.first, probe.count), c, probe)
        return gradient

    def ask(self, graph, seed: int, step: int) -> Probes:
        """The probes of a step: [theta,] then for each coefficient plus [and minus]."""
        mu, points = value_at(self.mu, step), self._points(graph, seed, step)
        check_range(points, graph.n_theta)
        if self.two_sided:
            points = np.repeat(points, 2)
            points["mu"] = np.tile([mu, -mu], len(points) // 2)
            return Probes(points, own_of(self.direction))
        points["mu"] = mu
        return Probes(np.concatenate([probe_rows(1, self.direction, seed, step), points]), own_of(self.direction))

    def _points(self, graph, seed: int, step: int) -> np.ndarray:
        """The points of a step; raises where they are something else."""
        points = self.points(graph, seed, step)
        if getattr(points, "dtype", None) != PROBE or points.ndim != 1 or not len(points):
            expected = "probes as bpfree.probe_rows makes them, at least one"
            got = "none" if getattr(points, "dtype", None) == PROBE else type(points).__name__
            raise TypeError(f"estimator: expected points of {self.row.name!r} to be {expected}, got {got}")
        return points

    @np.errstate(over="ignore", invalid="ignore")  # a loss that is not finite is a result: Estimate.finite
    def tell(self, graph, seed: int, step: int, values, forwards: int | None = None) -> Estimate:
        """Per-sample losses (probes, B) in the order asked for, to an estimate.

        forwards: what they cost; default: a pass each. Differences are taken per sample,
        summed in order, and multiplied once: a difference of means would be 7 to 10 times noisier.
        """
        record = self.as_record(graph, seed, step, self.quotients(graph, step, values))
        spent = values.size if forwards is None else forwards
        return Estimate(record, values, spent + self.record_cost(graph))

    @np.errstate(over="ignore", invalid="ignore")
    def quotients(self, graph, step: int, values) -> np.ndarray:
        """The difference quotient (n,) of each coefficient, divided by how many the mean is taken over."""
        real = values.dtype.type
        differences = values[0::2] - values[1::2] if self.two_sided else values[1:] - values[:1]
        width = real(2 if self.two_sided else 1) * real(value_at(self.mu, step))
        count = np.asarray(values.shape[1] * self.averages(graph), real)
        share = real(1) / (width * count) * real(np.float32(self.factor(graph)))
        return running_sum(differences, axis=1) * share

    def start(self, theta0, **settings) -> AskTell:
        """An `AskTell` run from theta0, for losses that are measured elsewhere: for points in run: run.tell(losses)."""
        return AskTell(self, theta0, **settings)

    def estimate(self, trainer, engine, theta, batch, step: int) -> Estimate:
        """One step's Estimate: the loop around ask and tell.

        With an engine that may lose losses (`evaluate_in_time`) it is made of those
        that arrive, if this estimator can do without the others.
        """
        graph, given = trainer.graph, (trainer.graph, theta, trainer.frozen, batch, trainer.loss)
        probes = self.ask(graph, trainer.seed, step)
        if not (hasattr(engine, "evaluate_in_time") and self.may_lose):
            return self.tell(graph, trainer.seed, step, *engine.evaluate(*given, probes))
        values, forwards, arrived = evaluate_in_time(self, engine, given, probes)
        if arrived.all():
            return self.tell(graph, trainer.seed, step, values, forwards)
        return tell_arrived(self, graph, trainer.seed, step, values, forwards, arrived)

    def evaluations(self, graph) -> int:
        """Loss evaluations of one step: two a coefficient; one-sided one, and one at theta."""
        groups, each = self.record_shape(graph)
        return 2 * groups * each if self.two_sided else groups * each + 1

    def forwards(self, graph, batch_size: int) -> int:
        """What a step costs on average, in passes of one sample, where an engine keeps all it can use again."""
        flow, sides = Flow(graph), 2 if self.two_sided else 1
        counts = {moved: sides * n for moved, n in self.count_moves(flow).items()}
        if not self.two_sided:
            counts[Moved(0)] = counts.get(Moved(0), 0) + 1
        return flow.forwards(counts, flow.choose(counts, inf), batch_size) + self.record_cost(graph)

    def cost(self, trainer, engine, step: int) -> int:
        """The forwards that `estimate` will spend at a step: its probes may differ from those of another."""
        probes = self.ask(trainer.graph, trainer.seed, step)
        return cost_of(engine, trainer.graph, probes, trainer.batch_size) + self.record_cost(trainer.graph)

    # What subclasses change of this, where they do.

    def factor(self, graph) -> float:
        """Factor that every coefficient is multiplied by, the `scale` of `bpfree_trainer`."""
        return 1.0

    def averages(self, graph):
        """How many coefficients the mean is taken over that each is part of: a number, or one each."""
        return self.averaged

    def as_record(self, graph, seed: int, step: int, quotients) -> np.ndarray:
        """The record of a step, from what became of each difference (n,)."""
        shape = self.record_shape(graph)
        if quotients.size != shape[0] * shape[1]:
            expected = f"as many points of {self.row.name!r} in every step, {shape[0] * shape[1]} as in step 0"
            raise ValueError(f"estimator: expected {expected}, got {quotients.size} in step {step}")
        return quotients.reshape(shape)

    def record_of(self, graph, seed: int, step: int, quotients, left) -> np.ndarray:
        """The record of a step some of whose replies were lost: of those that are left (n,); the others are 0."""
        factors = shares(self.means(graph), left)
        return self.as_record(graph, seed, step, quotients * factors.astype(quotients.dtype))

    def means(self, graph) -> np.ndarray:
        """The number of the mean that each coefficient is part of, -1 for one that stands alone: those of a group."""
        groups, each = self.record_shape(graph)
        return np.repeat(np.arange(groups) if self.averaged > 1 else np.full(groups, -1), each)

    def record_cost(self, graph) -> int:
        """Passes of one sample that `as_record` takes."""
        return 0

    def count_moves(self, flow: Flow) -> dict:
        """How many directions of a step, on average, move what (`Moved`)."""
        points = self.points(flow.graph, 0, 0)
        points["mu"] = 1.0
        return flow.count(points)
