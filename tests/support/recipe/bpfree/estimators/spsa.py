# SPDX-License-Identifier: MIT
"""SPSA: one random direction of signs a step, and two losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.engines.probes import probe_rows
from bpfree.estimators.device import Device
from bpfree.estimators.differences import Differences
from bpfree.estimators.rge import combine
from bpfree.estimators.table import EstimatorRow
from bpfree.schedules.table import Schedule, check_radius


@dataclass(frozen=True)
class SPSA(Differences):
    """Simultaneous perturbation (Spall, IEEE TAC 37, 1992): all parameters at once, by the same radius.

    g = [L(theta + mu u) - L(theta - mu u)] / (2 mu) u,   u of random signs

    mu: smoothing radius, in units of the parameters, or a schedule. Black-box tier.

    >>> from bpfree import Linear, Sequential
    >>> SPSA().evaluations(Sequential(3, [Linear(2)]).graph)
    2
    """

    mu: float | Schedule = 2.0**-7

    direction = "rademacher"
    two_sided = True
    may_lose = True

    def __post_init__(self):
        check_radius("mu", self.mu)

    def record_shape(self, graph) -> tuple[int, int]:
        """One coefficient."""
        return 1, 1

    def points(self, graph, seed: int, step: int) -> np.ndarray:
        """The direction of this step, on all of theta."""
        return probe_rows(1, self.direction, seed, step, first=0, count=graph.n_theta)

    def gradient(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """Return g (n_theta,) = c u."""
        gradient = np.zeros(graph.n_theta, coefficients.dtype)
        combine(gradient, self.direction, graph.pieces(0, graph.n_theta), seed, step, coefficients[0], [0], [0])
        return gradient


class _Device(Device):
    """Signs are put on as parameters are read, on both sides at once."""

    def wants(self, estimator) -> frozenset[str]:
        """Kernels that perturb what they read."""
        return frozenset({"BPFREE_PROBE_ON_READ"})

    def sides(self, estimator) -> int:
        """Copies of the activations: two, as one pass computes both sides."""
        return 2


ROW = SPSA.row = EstimatorRow(
    "spsa", SPSA, "rademacher", tier="black-box", journal="SCALARS", number=10, c="bpfree_est_spsa", device=_Device()
)
