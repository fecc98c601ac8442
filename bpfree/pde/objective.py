# SPDX-License-Identifier: MIT
"""The objective of a method: residuals at points that stay the same within a step, and the forwards spent on them."""

from __future__ import annotations

import numpy as np

from bpfree.graph import Graph, layout
from bpfree.pde.jacobian import Jacobian
from bpfree.pde.residuals import Residuals

LASTING = 5
"""Number of steps for which points must last to be worth fitting closely."""


class Objective:
    """The residual vectors of a problem, step by step.

    counts: {term: number of points, or given points (n, dim)}.
    resample_every: steps after which points are drawn anew; None: never. A rule with random directions draws new
    ones every step.
    """

    def __init__(self, problem, network, rule, counts: dict, sampler="sobol", resample_every=None, seed: int = 0):
        self.problem, self.network, self.rule, self.counts = problem, network, rule, counts
        self.sampler, self.resample_every, self.seed = sampler, resample_every, seed
        self._before, self._draw, self._residuals, self._jacobians = 0, None, None, {}

    @property
    def forwards(self) -> int:
        """All multiply-accumulates spent so far, in passes of one sample."""
        return self._before + (self._residuals.forwards if self._residuals else 0)

    @property
    def unit(self) -> int:
        """Multiply-accumulates of one pass."""
        return self.at(0).unit if self._residuals is None else self._residuals.unit

    def spend(self, macs: int) -> None:
        """Count multiply-accumulates that were spent outside the network."""
        self._residuals.forwards += -(-int(macs) // self._residuals.unit)

    @property
    def fixed(self) -> bool:
        """Whether the losses of all steps are values of the same function."""
        return self.resample_every is None and not self.rule.random

    @property
    def lasting(self) -> bool:
        """Whether points and directions stay the same for at least LASTING steps."""
        return self.fixed or (not self.rule.random and self.resample_every >= LASTING)

    def at(self, step: int) -> Residuals:
        """Return the residuals of a step."""
        draw = 0 if self.resample_every is None else step // self.resample_every
        key = (draw, step if self.rule.random else 0)
        if key != self._draw:
            points = {
                term.name: self._points(term, self.seed + 1_000_003 * draw + k)
                for k, term in enumerate(self.problem.terms())
            }
            self._before, self._draw, self._jacobians = self.forwards, key, {}
            coupled = self._residuals.coupled if self._residuals else None
            self._residuals = Residuals(self.problem, self.network, self.rule, points, self.seed, step, coupled)
        return self._residuals

    def _points(self, term, seed):
        given = self.counts[term.name]
        return given if isinstance(given, np.ndarray) else term.sample(given, self.sampler, seed)

    def jacobian(self, step: int, route=None, head_only: bool = False) -> Jacobian:
        """Return the Jacobian of a step's residuals."""
        residuals = self.at(step)
        if (route, head_only) not in self._jacobians:
            self._jacobians[route, head_only] = Jacobian(residuals, route, head_only)
        return self._jacobians[route, head_only]

    def parameters(self) -> Graph:
        """Return a Graph of the slices of theta, the unknown coefficients last, by which estimators group and draw."""
        graph = self.network.graph
        rows = [(part.name, part.shape, part.layer, False) for part in graph.slices if not part.frozen]
        unknowns = len(self.problem.unknowns)
        return Graph((), (), layout(rows + [("unknowns", (unknowns,), len(graph.nodes), False)] * bool(unknowns)))


def square(r) -> float:
    """Return the loss r . r; it is infinite on overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(r @ r)
