# SPDX-License-Identifier: MIT
"""A PDE as data: a domain, equations, conditions, unknown coefficients, perhaps an ansatz and a reference."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np

from bpfree.errors import check_finite, check_seed
from bpfree.model import Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.tanh import Tanh
from bpfree.pde.fields import Coordinates
from bpfree.pde.guesses import floors
from bpfree.pde.hard import hard_ansatz
from bpfree.pde.samplers import interior
from bpfree.pde.term import Term
from bpfree.pde.well_posed import check_problem

TEST = 0x7E570000
"""Keeps seeds of test points apart from those of points of a step."""


class Unknown:
    """A coefficient that is trained with the network, from a first guess; in formulas it is its present value.

    >>> from bpfree.pde.domain import Box
    >>> class Decay(Problem):
    ...     domain, rate = Box(t=(0, 1)), Unknown(0.5)
    ...     def residual(self, u, c):
    ...         return u.t + self.rate * u
    >>> Decay().rate, Decay().bind([0.7]).rate
    (0.5, 0.7)
    """

    def __init__(self, start: float):
        self.start = check_finite("start", start)

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, problem, owner=None):
        return self if problem is None else problem._bound.get(self.name, self.start)


class Problem:
    """Base of all problems. A subclass has `domain`, `residual`, and what else it needs of the following.

    domain: :class:`bpfree.pde.Box`. outputs: names of what the network computes, default ("u",).
    residual(u, c): what is to be 0 inside, (n,), or a tuple for several equations. With one output u is its
    :class:`~bpfree.pde.fields.Field`; with more, u.name is the field of that name. c has the coordinates and `fields`.
    conditions: such as Dirichlet("x", 0.0); soft ones are terms of the loss, hard ones make the ansatz.
    ansatz(f, c): u from the network's f, of jets, such as c.x * (1 - c.x) * f: it is differentiated exactly, so
    conditions that it fulfils hold exactly.
    fields: {name: number or function}, known coefficients and sources, c.name in formulas. A function names the
    coordinates that it takes, lambda x, t: ..., or takes all as one argument c. Unknown(start): a coefficient to be
    found.
    exact(c): the solution as a formula, where there is one, (n,) or a tuple for several outputs.
    reference(points): the solution (n, outputs) at points (n, dim), where it is known; default: from `exact`.
    truth: {name: value} of unknowns where they are known. points: inside, of a step, if none are given.
    guesses: {name: functions of c} for :meth:`floors`.
    """

    domain = None
    outputs: tuple[str, ...] = ("u",)
    conditions: tuple = ()
    fields: dict = {}
    exact = None
    truth: dict = {}
    points: int = 1000
    guesses: dict = {"zero network": (), "best constant": (lambda c: 1.0,)}
    _bound: dict = {}

    @property
    def ansatz(self):
        """That of the hard conditions, or None."""
        return hard_ansatz(self)

    @property
    def reference(self):
        """`exact` as a function of points, or None."""
        return None if self.exact is None else self._evaluate

    def residual(self, u, c):
        """What is to be 0 at every point."""
        raise NotImplementedError(f"{type(self).__name__}.residual(u, c) is missing: what is to be 0 inside the domain")

    @property
    def name(self) -> str:
        """Of the class."""
        return type(self).__name__

    @property
    def unknowns(self) -> dict[str, float]:
        """Unknown coefficients and their present values, in the order of the class."""
        found = {}
        for owner in reversed(type(self).__mro__):
            found |= {name: one for name, one in vars(owner).items() if isinstance(one, Unknown)}
        return {name: getattr(self, name) for name in found}

    def bind(self, values) -> Problem:
        """The same problem with these values of its unknowns."""
        names = list(self.unknowns)
        if len(values) != len(names):
            raise ValueError(f"values: expected {len(names)} numbers, for {', '.join(names)}, got {len(values)}")
        if not names:
            return self
        bound = copy.copy(self)
        bound._bound = dict(zip(names, np.asarray(values).tolist(), strict=True))
        return bound

    def terms(self) -> tuple[Term, ...]:
        """The equation inside, then one term of each soft condition; names are unique."""
        check_problem(self)
        inside = Term("residual", lambda problem, u, c: problem.residual(u, c), self._inside)
        terms = [inside]
        for condition in self.conditions:
            if not condition.hard:
                term, names = condition.term(self), [one.name for one in terms]
                again = sum(name == term.name or name.startswith(f"{term.name}#") for name in names)
                terms.append(replace(term, name=f"{term.name}#{again + 1}") if again else term)
        return tuple(terms)

    def _inside(self, n, sampler, seed):
        return interior(self.domain, n, sampler, seed)

    def _evaluate(self, points):
        c = Coordinates(self.domain, self.domain.check(points), fields=self.fields)
        found = self.exact(c)
        found = found if isinstance(found, tuple) else (found,)
        for one in found:
            if np.shape(one) not in ((), (len(points),)):
                expected = f"one number a point, ({len(points)},) at {len(points)} points, of each output of a tuple"
                raise ValueError(f"exact: expected {expected}, got shape {np.shape(one)}")
        return np.stack([np.broadcast_to(one, (len(points),)) for one in found], axis=1)

    def test_points(self, n: int = 10_000, seed: int = 0) -> np.ndarray:
        """Points (n, dim) at which errors are measured: uniform, or normal where a coordinate is.

        A Sobol sequence of a seed of its own, which leaves less to luck than independent points.
        """
        return interior(self.domain, n, "sobol", check_seed(seed) ^ TEST)

    def network(self, seed: int = 0):
        """An untrained network of fitting width, where none is given: 2 layers of 32 tanh."""
        layers = [Linear(32), Tanh(), Linear(32), Tanh(), Linear(len(self.outputs))]
        return Sequential(self.domain.dim, layers, seed=seed)

    def floors(self, points=None) -> dict[str, float]:
        """Relative L2 errors of trivial answers, {name: error}, at points, default `test_points()`.

        To be printed beside every result: a network that is not far below them has learned little.
        """
        return floors(self, self.test_points() if points is None else points)
