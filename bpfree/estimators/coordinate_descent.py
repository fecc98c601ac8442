# SPDX-License-Identifier: MIT
"""Coordinate descent: try a step along one parameter after the other, keep those that lower the loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.arithmetic import running_sum
from bpfree.engines.probes import Probes, probe_rows
from bpfree.errors import check_share_of_all
from bpfree.estimators.cge import Coordinates, KeepsPlaces
from bpfree.estimators.estimate import Estimate
from bpfree.estimators.table import EstimatorRow
from bpfree.schedules.table import Schedule, check_radius, value_at


@dataclass(frozen=True)
class CoordinateDescent(Coordinates):
    """Coordinate descent by accepting or refusing steps, Gauss-Seidel within a step (compass search, Davidon, 1959).

    For each of n = max(1, round(fraction d)) coordinates k in turn, all on the
    same minibatch: theta_k + mu is tried, then, where that does not lower the
    loss, theta_k - mu; what lowers it is kept while the next coordinates are tried.

    The record of a step is (1, n): g_k = -mu, mu or 0 for a move by mu, -mu or
    none. So SGD(1.0) makes exactly the moves that were kept; Trainer refuses other
    updates, which would make moves that were never tried.

    fraction: share of the coordinates tried in a step, drawn anew every step.
    mu: the step, in units of the parameters, or a schedule. 1 + n to 1 + 2 n
    evaluations a step: budgets count on the most, `run.evaluations` is what was
    spent. Each point depends on the losses before it: for `bf.train` and for
    devices, not for ask and tell. Black-box tier.

    >>> import bpfree as bf
    >>> x, y = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> run = bf.train(bf.Sequential(4, [bf.Linear(2)]), (x, y), estimator=bf.CoordinateDescent(mu=0.1),
    ...     update=bf.SGD(1.0), batch_size=4, max_steps=30, engine="reference")
    >>> run.losses[-1] < 0.5 * run.losses[0], run.evaluations < 30 * run.trainer.evaluations
    (True, True)
    """

    fraction: float = 0.5
    mu: float | Schedule = 1e-3

    two_sided = True
    coefficients_are = "moves"
    needs = "each of whose points depends on the losses of those before"

    def __post_init__(self):
        check_share_of_all("fraction", self.fraction)
        check_radius("mu", self.mu)

    def evaluations(self, graph) -> int:
        """The most a step can need."""
        return 1 + 2 * self.record_shape(graph)[1]

    def forwards(self, graph, batch_size: int) -> int:
        """The most, as every trial is a pass of its own."""
        return self.evaluations(graph) * batch_size

    def estimate(self, trainer, engine, theta, batch, step: int) -> Estimate:
        """Trials one after the other at a moving copy of theta."""
        graph, mu, at = trainer.graph, value_at(self.mu, step), theta.copy()

        def losses(move, k):
            probe = probe_rows(1, self.direction, trainer.seed, step, element=k, mu=move)
            (values,), _ = engine.evaluate(graph, at, trainer.frozen, batch, trainer.loss, Probes(probe))
            return values

        elements = self.coordinates(graph, trainer.seed, step)
        now, coefficients = losses(0, 0), np.zeros(len(elements), np.float32)
        seen = [now]
        for i, k in enumerate(elements):
            for move in (mu, -mu):
                seen.append(trial := losses(move, k))
                with np.errstate(over="ignore", invalid="ignore"):
                    change = running_sum(trial - now)
                if not np.isfinite(change):  # a loss that is not finite is a result: Estimate.finite
                    coefficients[:] = np.nan
                    return Estimate(coefficients[None], np.stack(seen), now.size * len(seen))
                if change < 0:
                    now, at[k], coefficients[i] = trial, at[k] + at.dtype.type(move), -move
                    break
        return Estimate(coefficients[None], np.stack(seen), now.size * len(seen))


class _OnDevice(KeepsPlaces):
    def work(self, estimator, graph, batch_size: int) -> int:
        """Floats for the losses of a minibatch, now and at the trial, behind the elements that are probed."""
        return super().work(estimator, graph, batch_size) + 2 * batch_size


ROW = CoordinateDescent.row = EstimatorRow(
    "coordinate_descent", CoordinateDescent, "coordinate", tier="black-box", journal="SNAPSHOT", number=9,
    c="bpfree_est_coordinate_descent", device=_OnDevice(),
)  # fmt: skip
