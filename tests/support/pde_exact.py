# SPDX-License-Identifier: MIT
"""Exact solutions in the place of a network, so that residuals can be tested without training."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np

from bpfree.pde import Taylor
from bpfree.pde.fields import Coordinates
from bpfree.pde.network import Network
from bpfree.pde.residuals import Residuals


class Exact(Network):
    """A network whose outputs are problem.exact, or another function of c."""

    def __init__(self, problem, exact=None):
        model = problem.network()
        super().__init__(model.graph, model.frozen)
        self.problem, self.exact = problem, exact or problem.exact
        self.theta = np.r_[np.zeros(model.graph.n_theta), [problem.truth[name] for name in problem.unknowns]]

    def _formula(self, points, layout=None):
        found = self.exact(Coordinates(self.problem.domain, points, layout, self.problem.fields))
        return found if isinstance(found, tuple) else (found,)

    def values(self, theta, points):
        """As a rule of shifted points asks for them."""
        return np.stack([np.broadcast_to(one, len(points)) for one in self._formula(points)])

    def _streams(self, theta, points, stencil):
        if stencil.layout.streams.count == 1:  # only the value is asked for, where derivatives may be infinite
            value = self.values(theta, points)
            return value, np.zeros((len(value), 0, len(points)))
        jets = self._formula(points, stencil.layout)
        return np.stack([jet.value for jet in jets]), np.stack([jet.rest for jet in jets])


def softened(problem):
    """The same problem with every condition a term, so that a solution is tried against all of them."""
    soft = copy.copy(problem)
    soft.conditions = tuple(replace(one, hard=False) for one in problem.conditions)
    return soft


def points_of(problem, n=200, seed=0, sampler="sobol"):
    """{term: n points}."""
    return {term.name: term.sample(n, sampler, seed) for term in problem.terms()}


def residuals_of(problem, exact=None, rule=None, n=200, points=None):
    """{term: root mean square} of a solution, default the exact one."""
    soft = softened(problem)
    network = Exact(soft, exact)
    terms = Residuals(soft, network, rule or Taylor(), {**points_of(soft, n), **(points or {})}).terms(network.theta)
    return {name: value**0.5 for name, value in terms.items()}
