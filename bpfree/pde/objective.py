# SPDX-License-Identifier: MIT
"""What a method lowers: residuals at points that stay the same within a step, and what looking at them has cost."""

from __future__ import annotations

import numpy as np

from bpfree.graph import Graph, layout
from bpfree.pde.jacobian import Jacobian
from bpfree.pde.residuals import Residuals

LASTING = 5
"""Steps from which points are worth fitting closely."""


class Objective:
    """Residual vectors step by step.

    counts: {term: how many points, or (n, dim) of one's own}. resample_every: steps after which points are new.
    A rule with random directions draws new ones every step. forwards: all multiply-accumulates spent, in passes of
    one sample.
    """

    def __init__(self, problem, network, rule, counts: dict, sampler="sobol", resample_every=None, seed: int = 0):
        self.problem, self.network, self.rule, self.counts = problem, network, rule, counts
        self.sampler, self.resample_every, self.seed = sampler, resample_every, seed
        self._before, self._draw, self._residuals, self._jacobians = 0, None, None, {}

    @property
    def forwards(self) -> int:
        """Passes of one sample so far."""
        return self._before + (self._residuals.forwards if self._residuals else 0)

    @property
    def unit(self) -> int:
        """Multiply-accumulates of a pass."""
        return self.at(0).unit if self._residuals is None else self._residuals.unit

    def spend(self, macs: int) -> None:
        """Count multiply-accumulates that were spent outside of the network."""
        self._residuals.forwards += -(-int(macs) // self._residuals.unit)

    @property
    def fixed(self) -> bool:
        """Are losses of different steps those of the same function?"""
        return self.resample_every is None and not self.rule.random

    @property
    def lasting(self) -> bool:
        """Do points and directions stay the same for some steps?"""
        return self.fixed or (not self.rule.random and self.resample_every >= LASTING)

    def at(self, step: int) -> Residuals:
        """The residuals of a step."""
        draw = 0 if self.resample_every is None else step // self.resample_every
        key = (draw, step if self.rule.random else 0)
        if key != self._draw:
            points = {
                term.name: self._points(term, self.seed + 1_000_003 * draw + k)
                for k, term in enumerate(self.problem.terms())
            }
            self._before, self._draw, self._jacobians = self.forwards, key, {}
            self._residuals = Residuals(self.problem, self.network, self.rule, points, self.seed, step)
        return self._residuals

    def _points(self, term, seed):
        given = self.counts[term.name]
        return given if isinstance(given, np.ndarray) else term.sample(given, self.sampler, seed)

    def jacobian(self, step: int, route=None, head_only: bool = False) -> Jacobian:
        """The Jacobian of a step's residuals, ready to be asked."""
        residuals = self.at(step)
        if (route, head_only) not in self._jacobians:
            self._jacobians[route, head_only] = Jacobian(residuals, route, head_only)
        return self._jacobians[route, head_only]

    def parameters(self) -> Graph:
        """theta by its slices, the unknown coefficients the last: what estimators group and draw by."""
        graph = self.network.graph
        rows = [(part.name, part.shape, part.layer, False) for part in graph.slices if not part.frozen]
        unknowns = len(self.problem.unknowns)
        return Graph((), (), layout(rows + [("unknowns", (unknowns,), len(graph.nodes), False)] * bool(unknowns)))


def square(r) -> float:
    """The loss r . r; overflow is infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(r @ r)
