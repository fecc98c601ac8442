# SPDX-License-Identifier: MIT
"""The network of a solution as a Model that loses neither float64 nor the unknown coefficients."""

from __future__ import annotations

import numpy as np

from bpfree.engines import ReferenceEngine
from bpfree.model import Model
from bpfree.pde.well_posed import warn_once


class SolvedModel(Model):
    """The network f of a solution; its theta (n_theta,) is float32, as in files and exports, and float64 beside it.

    precise: theta in float64. unknowns: the coefficients found, by name. asked: the problem.

    `predict` computes in float64 by default, and then gives what `Solution.predict` gives, for problems without an
    ansatz; with one, u is computed from f, so that `predict` warns. Where `theta` is changed, its new values count.
    """

    def __init__(self, graph, theta, frozen, unknowns: dict[str, float], asked):
        super().__init__(graph, theta, frozen)
        self._found, self._rounded = np.array(theta, np.float64), self.theta.copy()
        self.unknowns, self.asked = unknowns, asked

    @property
    def precise(self) -> np.ndarray:
        """Theta in float64."""
        return np.where(self.theta == self._rounded, self._found, self.theta)

    def predict(self, x, engine=None) -> np.ndarray:
        """Return outputs (n, outputs) at points (n, dim), in float64 unless an engine is given."""
        if self.asked.ansatz is not None:
            expected = "solution.predict, which is u within its hard conditions"
            warn_once(self.asked, f"model.predict: expected {expected}, got the network f alone")
        if engine is not None:
            return super().predict(x, engine)
        points = self.asked.domain.check(x)
        return ReferenceEngine(dtype=np.float64).predict(self.graph, self.precise, self.frozen, points)


def first_theta(problem, model) -> np.ndarray:
    """Return theta in float64, followed by the unknowns: where a solve begins.

    It goes on from a solution's model exactly, with the unknowns found, unless the problem is bound to others.
    """
    if not isinstance(model, SolvedModel):
        return np.concatenate([model.theta.astype(np.float64), list(problem.unknowns.values())])
    found = {} if problem._bound else model.unknowns
    return np.concatenate([model.precise, [found.get(name, value) for name, value in problem.unknowns.items()]])
