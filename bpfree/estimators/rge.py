# SPDX-License-Identifier: MIT
"""RGE: random gradient estimation with Rademacher directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.arithmetic import running_sum
from bpfree.errors import check_choice, check_count
from bpfree.estimators.table import Estimate, EstimatorRow
from bpfree.probes import Probe, direction
from bpfree.schedules.table import Schedule, check_radius

GROUPINGS = ("joint", "layer", "tensor")
"""In the order of `enum bpfree_grouping`."""


@dataclass(frozen=True)
class RGE:
    """Random gradient estimation (Nesterov and Spokoiny, 2017; SPSA, Spall, 1992).

    two-sided: g = 1/q sum_i [L(theta + mu u_i) - L(theta - mu u_i)] / (2 mu) u_i,   2 q evaluations
    one-sided: g = 1/q sum_i [L(theta + mu u_i) - L(theta)] / mu u_i,                q + 1 evaluations

    u_i in {-1, +1}^d, so E[u u^T] = I and E[g] is the gradient up to O(mu^2)
    (two-sided). One draw is sqrt((q + d - 1) / q) times as long as the
    gradient. Black-box tier: only losses are looked at.

    n_queries: directions q a step and group. mu: smoothing radius, in units of
    the parameters, or a schedule. grouping: "joint" moves all parameters at once, "layer" and
    "tensor" one layer or parameter tensor at a time, the others at theta (then
    evaluations are per group).

    >>> RGE(n_queries=4).evaluations(n_groups=1)
    8
    """

    n_queries: int = 1
    mu: float | Schedule = 2.0**-7
    two_sided: bool = True
    grouping: str = "joint"

    def __post_init__(self):
        check_count("n_queries", self.n_queries, 1, 4096)
        check_radius("mu", self.mu)
        check_choice("two_sided", self.two_sided, (True, False))
        check_choice("grouping", self.grouping, GROUPINGS)

    def evaluations(self, n_groups: int) -> int:
        """Loss evaluations of one step."""
        return n_groups * self.n_queries * 2 if self.two_sided else n_groups * self.n_queries + 1

    def mu_at(self, step: int) -> np.float32:
        """The smoothing radius at a step: fl(mu factor)."""
        return self.mu.value(step) if isinstance(self.mu, Schedule) else np.float32(self.mu)

    def ask(self, graph, seed: int, step: int) -> list[Probe]:
        """The probes of a step: [theta,] then for each group and query plus [and minus]."""
        mu = float(self.mu_at(step))
        plus_minus = (mu, -mu) if self.two_sided else (mu,)
        probes = [] if self.two_sided else [Probe(seed, step, 0, 0.0, 0, 0)]
        for group in graph.groups(self.grouping):
            for query in range(self.n_queries):
                probes += [Probe(seed, step, query, along, group.start, len(group)) for along in plus_minus]
        return probes

    @np.errstate(over="ignore", invalid="ignore")  # a loss that is not finite is a result: Estimate.finite
    def tell(self, graph, step: int, values) -> Estimate:
        """Per-sample losses (probes, B) in the order asked for, to an estimate.

        Differences are taken per sample, summed in order, and multiplied once:
        a difference of means would be 7 to 10 times noisier.
        """
        dtype = values.dtype.type
        if self.two_sided:
            differences = values[0::2] - values[1::2]
        else:
            differences = values[1:] - values[:1]
        batch = values.shape[1]
        width = (dtype(2) if self.two_sided else dtype(1)) * dtype(self.mu_at(step))
        scale = dtype(1) / (width * dtype(batch * self.n_queries))
        coefficients = running_sum(differences, axis=1) * scale
        return Estimate(coefficients.reshape(-1, self.n_queries), len(values))

    def gradient(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """g (n_theta,) of a step from its coefficients (groups, queries): sum over ascending query."""
        gradient = np.zeros(graph.n_theta, coefficients.dtype)
        for group, row in zip(graph.groups(self.grouping), coefficients, strict=True):
            for number in group:
                part = graph.slices[number]
                if part.frozen:
                    continue
                view = gradient[part.range]
                for query, c in enumerate(row):
                    u = direction(part, seed, step, query).astype(coefficients.dtype)
                    view[...] = c * u if query == 0 else view + c * u
        return gradient


ROW = EstimatorRow(0, "rge", "bpfree_est_rge", RGE, journal="SCALARS", tier="black-box")
