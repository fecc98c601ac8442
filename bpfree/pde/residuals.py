# SPDX-License-Identifier: MIT
"""The residual vector of a problem, a network, a rule and points; its sum of squares is the loss."""

from __future__ import annotations

import copy
from contextlib import contextmanager

import numpy as np

from bpfree.engines.cost import graph_macs
from bpfree.pde.dual import at_points
from bpfree.pde.fields import Coordinates, Outputs, Recorder, field_of
from bpfree.pde.jet import Jet
from bpfree.pde.locality import is_coupled
from bpfree.pde.rules.table import Stencil

PROBED = 3
"""Number of points at which a formula is tried, to record which derivatives it needs."""


KNOWN_FLOATS = 1 << 20
"""The most floats of coordinates' jets held at a time while the known parts of an ansatz are computed."""


class TermRows:
    """One term of a problem at its points: the derivatives it needs, and its rows of the residual vector.

    points: (n, dim).
    partner: (n, dim), the second point of each pair, or None.
    wanted: the quantities that the formula reads.
    rows: number of equations, each of which gives one number per point.
    scale: sqrt(weight / n), so that the squares of all scaled rows add up to weight times the mean square.
    """

    def __init__(self, problem, term, points, dtype):
        self.problem, self.term = problem, term
        self.points = problem.domain.check(points, f"points of {term.name}").astype(dtype)
        self.partner = None if term.partner is None else term.partner(self.points).astype(dtype)
        self.scale = float(np.sqrt(term.weight / len(points)))
        self.wanted, self.rows = self._record()
        self._known, self._whole = None, None

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.points)

    def all_points(self):
        """Return the points where the network is evaluated: the points, followed by their partners if there are any."""
        return self.points if self.partner is None else np.concatenate([self.points, self.partner])

    def _record(self):
        recorder, problem = Recorder(self.problem.domain, PROBED), self.problem
        points = np.resize(self.points, (PROBED, self.points.shape[1]))
        side = self.bundle([recorder.field() for _ in problem.outputs])
        c = Coordinates(problem.domain, points, fields=problem.fields)
        with np.errstate(all="ignore"):
            try:
                found = self.term.formula(problem, *(((side, side), (c, c)) if self.term.partner else (side, c)))
            except ValueError as error:
                if "shape" not in str(error) and "dimension" not in str(error):
                    raise
                expected = f"a formula for any number of points, tried at {PROBED} (weights as functions of c)"
                raise ValueError(f"{self.term.name}: expected {expected}, got: {error}") from error
        equations = found if isinstance(found, tuple) else (found,)
        for equation in equations:
            values = np.asarray(equation)
            if values.shape != (PROBED,) or values.dtype.kind not in "fiub":
                expected = f"one number per point, ({PROBED},) at {PROBED} points, from each equation of a tuple"
                got = f"shape {values.shape}" if values.dtype.kind in "fiub" else repr(equation)
                raise ValueError(f"{self.term.name}: expected {expected}, got {got}")
        return tuple(recorder.wanted), len(equations)

    def bundle(self, fields):
        """Return what formulas get: the only field, or a namespace of several."""
        names = self.problem.outputs
        return fields[0] if len(names) == 1 else Outputs(names, fields)

    def values(self, problem, value, rest, stencil: Stencil):
        """Return the rows (rows, n) from the network's jets at all points: value (m, n'), rest (m, count - 1, n')."""
        return self.formula_rows(problem, self.fields(problem, value, rest, stencil), stencil)

    def fields(self, problem, value, rest, stencil: Stencil) -> list[Jet]:
        """Return the jet of every field at all points: the network's outputs, or the ansatz applied to them."""
        jets, ansatz = [Jet(*pair, stencil.layout.streams) for pair in zip(value, rest)], problem.ansatz
        if ansatz is None:
            return jets
        if hasattr(ansatz, "affine"):
            return [a + b * jet for (a, b), jet in zip(self._affine(ansatz, stencil.layout), jets)]
        c = Coordinates(problem.domain, self.all_points(), stencil.layout, problem.fields)
        jets = ansatz(self.bundle(jets), c)
        return list(jets) if isinstance(jets, tuple) else [jets]

    def _affine(self, ansatz, layout):
        """Return the jets A and B of an ansatz A + B f at all points, which are computed once.

        They are computed for a few points at a time, because the jet of c.x alone takes dimensions times streams
        floats per point.
        """
        if self._known is None or self._known[0] is not layout:
            if self._whole is not None:
                part, own = self._whole
                sides = 1 if self.partner is None else 2
                index = np.concatenate([np.arange(part.n)[own] + side * part.n for side in range(sides)])
                pairs = [[_taken(one, index) for one in pair] for pair in part._affine(ansatz, layout)]
            else:
                pairs = self._made(ansatz, layout)
            self._known = layout, pairs
        return self._known[1]

    def _made(self, ansatz, layout):
        points, domain = self.all_points(), self.problem.domain
        pieces = -(-len(points) * domain.dim * layout.streams.count // KNOWN_FLOATS)
        found = [
            ansatz.affine(Coordinates(domain, piece, layout, self.problem.fields))
            for piece in np.array_split(points, min(len(points), pieces))
        ]
        return [[_joined([one[k][side] for one in found]) for side in (0, 1)] for k in range(len(found[0]))]

    def formula_rows(self, problem, jets, stencil: Stencil, changed=None):
        """Return the rows (rows, n) from the jet of every field; changed: as in `equations`."""
        found = self.equations(problem, jets, stencil, changed)
        return np.stack([np.broadcast_to(np.asarray(one), (self.n,)) for one in found])

    def equations(self, problem, jets, stencil: Stencil, changed=None) -> tuple:
        """Return what the formula returns for each equation, from the jet of every field.

        changed: {(field, side, quantity): function} of quantities that the formula gets the function of (None: the
        value); side 1 is the partner.
        """
        sides, cs, changed = [], [], changed or {}
        for side in range(1 if self.partner is None else 2):
            own = slice(side * self.n, (side + 1) * self.n)
            fields = [
                field_of(
                    Jet(at_points(jet.value, own), at_points(jet.rest, own), jet.streams),
                    stencil.layout,
                    problem.domain,
                    {key[2]: one for key, one in changed.items() if key[:2] == (number, side)},
                )
                for number, jet in enumerate(jets)
            ]
            sides.append(self.bundle(fields))
            cs.append(Coordinates(problem.domain, self.all_points()[own], fields=problem.fields))
        found = self.term.formula(problem, *((sides, cs) if self.term.partner else (sides[0], cs[0])))
        return found if isinstance(found, tuple) else (found,)

    def take(self, own) -> TermRows:
        """Return the term at some of its points, a slice or their numbers, with the same weight per point."""
        part = copy.copy(self)
        part.points, part._known, part._whole = self.points[own], None, (self, own)
        part.partner = None if self.partner is None else self.partner[own]
        return part


def _taken(one, index):
    """Return a jet at some of its points; a number is returned as it is."""
    return Jet(one.value[index], one.rest[..., index], one.streams) if isinstance(one, Jet) else one


def _joined(pieces):
    """Return the jets of consecutive points as one jet."""
    first = pieces[0]
    if not isinstance(first, Jet):
        return first
    value, rest = (np.concatenate([getattr(one, name) for one in pieces], axis=-1) for name in ("value", "rest"))
    return Jet(value, rest, first.streams)


class Residuals:
    """The residual vector r(theta) (N,) of all terms at their points; r . r is the loss sum_terms weight * mean square.

    theta holds the network's parameters, followed by the unknown coefficients of the problem. `forwards` counts all
    passes of one sample so far, where streams count as passes. points: {term: (n, dim)}. coupled: `coupled` of the same
    problem at other points, where it is known.
    """

    def __init__(self, problem, network, rule, points: dict, seed: int = 0, step: int = 0, coupled=None):
        self.problem, self.network, self.rule, self._coupled = problem, network, rule, coupled
        self.parts = [TermRows(problem, term, points[term.name], network.dtype) for term in problem.terms()]
        self.stencils = [rule.stencil(part.wanted, problem.domain, network.dtype, seed, step) for part in self.parts]
        self.n_network, self.n_unknown = network.graph.n_theta, len(problem.unknowns)
        self.unit, self.forwards = graph_macs(network.graph), 0

    @property
    def size(self) -> int:
        """The number N of residuals."""
        return sum(part.rows * part.n for part in self.parts)

    @property
    def coupled(self) -> tuple[str, ...]:
        """Names of the terms whose rows depend on points other than their own."""
        if self._coupled is None:
            pairs = zip(self.parts, self.stencils)
            self._coupled = tuple(part.term.name for part, one in pairs if is_coupled(part, self.problem, one))
        return self._coupled

    @property
    def counts(self) -> dict[str, int]:
        """Number of points of each term."""
        return {part.term.name: part.n for part in self.parts}

    @property
    def passes(self) -> int:
        """Number of forward passes of one evaluation of r."""
        return sum(len(part.all_points()) * stencil.passes for part, stencil in zip(self.parts, self.stencils))

    def split(self, theta):
        """Return the network's parameters, and the problem with the values of its unknowns."""
        return theta[: self.n_network], self.problem.bind(theta[self.n_network :])

    def jets(self, theta):
        """Return the network's jets at the points of every term, and count the passes."""
        self.forwards += self.passes
        own = theta[: self.n_network]
        return [self.network.jets(own, part.all_points(), stencil) for part, stencil in zip(self.parts, self.stencils)]

    def rows(self, problem, jets):
        """Return the rows (rows, n) of every term, without weights."""
        return [part.values(problem, *jet, stencil) for part, jet, stencil in zip(self.parts, jets, self.stencils)]

    def vector(self, rows):
        """Return r (N,) from the rows of every term."""
        return np.concatenate([(one * part.scale).ravel() for one, part in zip(rows, self.parts)])

    def __call__(self, theta):
        """Return r(theta)."""
        return self.vector(self.rows(self.split(theta)[1], self.jets(theta)))

    @np.errstate(over="ignore", invalid="ignore")  # a value that is not finite is a valid result
    def terms_of(self, r) -> dict[str, float]:
        """Return the mean square of each term, without its weight, from r."""
        return {part.term.name: float((own**2).sum() / part.term.weight) for part, own in self._split_rows(r)}

    def terms(self, theta) -> dict[str, float]:
        """Return the mean square of each term, without its weight."""
        return self.terms_of(self(theta))

    def where_not_finite(self, r) -> str:
        """Return a text that names the first term that is not finite, how often and where; "" if there is none."""
        for part, own in self._split_rows(r):
            bad = np.flatnonzero(~np.isfinite(own).all(axis=0))
            if bad.size:
                names = ", ".join(
                    f"{name}={part.points[bad[0], list(part.problem.domain.columns(name))].round(6).tolist()}"
                    for name in part.problem.domain.names
                )
                return f"term {part.term.name!r} is not finite at {bad.size} of {part.n} points, first {names}"
        return ""

    def _split_rows(self, r):
        """Yield (term, its rows (rows, n) of r)."""
        stops = np.cumsum([part.rows * part.n for part in self.parts])
        for part, own in zip(self.parts, np.split(r, stops[:-1])):
            yield part, own.reshape(part.rows, part.n)

    @contextmanager
    def uncounted(self):
        """Do not count passes within the block, which is for measurements that choose nothing."""
        before = self.forwards
        try:
            yield
        finally:
            self.forwards = before
