# SPDX-License-Identifier: MIT
"""A problem, a network, a rule and points: together the vector whose squares are the loss."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from bpfree.engines.cost import graph_macs
from bpfree.pde.fields import Coordinates, Recorder, field_of
from bpfree.pde.jet import Jet
from bpfree.pde.rules.table import Plan

PROBED = 3
"""Points at which a formula is tried to see which derivatives it asks for."""


class Part:
    """One term of a problem at its points: what it asks for, the plan for that, and its rows of the residual vector.

    points (n, dim), partner (n, dim) or None. wanted: quantities. rows: how many numbers the formula gives a point.
    scale: sqrt(weight / n): the squares of all rows add up to weight times the mean square.
    """

    def __init__(self, problem, term, points, dtype):
        self.problem, self.term = problem, term
        self.points = problem.domain.check(points, f"points of {term.name}").astype(dtype)
        self.partner = None if term.partner is None else term.partner(self.points).astype(dtype)
        self.scale = float(np.sqrt(term.weight / len(points)))
        self.wanted, self.rows = self._record()

    @property
    def n(self) -> int:
        """Points."""
        return len(self.points)

    def all_points(self):
        """Those the network is asked at: with partners twice as many."""
        return self.points if self.partner is None else np.concatenate([self.points, self.partner])

    def _record(self):
        recorder, problem = Recorder(self.problem.domain, PROBED), self.problem
        points = np.resize(self.points, (PROBED, self.points.shape[1]))
        side = self._bundle([recorder.field() for _ in problem.outputs])
        c = Coordinates(problem.domain, points, fields=problem.fields)
        with np.errstate(all="ignore"):
            found = self.term.formula(problem, *(((side, side), (c, c)) if self.term.partner else (side, c)))
        equations = found if isinstance(found, tuple) else (found,)
        for equation in equations:
            if np.shape(equation) not in ((PROBED,), ()):
                expected = f"one number a point, ({PROBED},) at {PROBED} points, from each equation"
                raise ValueError(f"{self.term.name}: expected {expected}, got shape {np.shape(equation)}")
        return tuple(recorder.wanted), len(equations)

    def _bundle(self, fields):
        names = self.problem.outputs
        return fields[0] if len(names) == 1 else SimpleNamespace(**dict(zip(names, fields, strict=True)))

    def values(self, problem, value, rest, plan: Plan):
        """Rows (rows, n) from the network's jets at all points: value (m, n'), rest (m, count - 1, n')."""
        points, fields = self.all_points(), []
        jets = [Jet(*pair, plan.layout.streams) for pair in zip(value, rest)]
        if problem.ansatz is not None:
            c = Coordinates(problem.domain, points, plan.layout, problem.fields)
            jets = problem.ansatz(self._bundle(jets), c)
            jets = jets if isinstance(jets, tuple) else (jets,)
        sides, cs = [], []
        for k in range(1 if self.partner is None else 2):
            own = slice(k * self.n, (k + 1) * self.n)
            fields = [
                field_of(Jet(jet.value[own], jet.rest[..., own], jet.streams), plan.layout, problem.domain)
                for jet in jets
            ]
            sides.append(self._bundle(fields))
            cs.append(Coordinates(problem.domain, points[own], fields=problem.fields))
        found = self.term.formula(problem, *((sides, cs) if self.term.partner else (sides[0], cs[0])))
        found = found if isinstance(found, tuple) else (found,)
        return np.stack([np.broadcast_to(np.asarray(one), (self.n,)) for one in found])


class Residuals:
    """r(theta), (N,): all terms at their points, so that r . r is the loss sum_terms weight * mean square.

    theta: the network's parameters, then the unknown coefficients of the problem. points: {term: (n, dim)}.
    forwards: all passes asked for so far, of one sample; streams count as passes.
    """

    def __init__(self, problem, network, rule, points: dict, seed: int = 0, step: int = 0):
        self.problem, self.network, self.rule = problem, network, rule
        self.parts = [Part(problem, term, points[term.name], network.dtype) for term in problem.terms()]
        self.plans = [rule.plan(part.wanted, problem.domain, network.dtype, seed, step) for part in self.parts]
        self.n_network, self.n_unknown = network.graph.n_theta, len(problem.unknowns)
        self.unit, self.forwards = graph_macs(network.graph), 0

    @property
    def size(self) -> int:
        """N."""
        return sum(part.rows * part.n for part in self.parts)

    @property
    def passes(self) -> int:
        """Forward passes of one evaluation of r."""
        return sum(len(part.all_points()) * plan.passes for part, plan in zip(self.parts, self.plans))

    def split(self, theta):
        """The network's parameters, and the problem with the unknowns' values."""
        return theta[: self.n_network], self.problem.bind(theta[self.n_network :])

    def jets(self, theta):
        """The network's jets at the points of every part; counted."""
        self.forwards += self.passes
        own = theta[: self.n_network]
        return [self.network.jets(own, part.all_points(), plan) for part, plan in zip(self.parts, self.plans)]

    def rows(self, problem, jets):
        """Rows of every part, (rows, n) each, not weighted."""
        return [part.values(problem, *jet, plan) for part, jet, plan in zip(self.parts, jets, self.plans)]

    def vector(self, rows):
        """r (N,) from the rows of every part."""
        return np.concatenate([(one * part.scale).ravel() for one, part in zip(rows, self.parts)])

    def __call__(self, theta):
        """r(theta)."""
        return self.vector(self.rows(self.split(theta)[1], self.jets(theta)))

    def terms(self, theta) -> dict[str, float]:
        """Mean square of each term, before its weight."""
        rows = self.rows(self.split(theta)[1], self.jets(theta))
        return {part.term.name: float((one**2).mean()) for part, one in zip(self.parts, rows)}
