# SPDX-License-Identifier: MIT
"""A PDE as data: a domain, equations, conditions and unknown coefficients, optionally an ansatz and a reference."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np

from bpfree.errors import check_finite, check_seed
from bpfree.model import Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.tanh import Tanh
from bpfree.pde.dual import Dual
from bpfree.pde.fields import Coordinates
from bpfree.pde.guesses import floors
from bpfree.pde.hard import hard_ansatz
from bpfree.pde.samplers import interior
from bpfree.pde.term import Term
from bpfree.pde.well_posed import check_problem

TEST = 0x7E570000
"""Number that is combined with the seeds of test points, so that they differ from those of a step's points."""


class Unknown:
    """A coefficient that is trained together with the network from a first guess; in formulas it is its current value.

    >>> from bpfree.pde import Box
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
    """The base of all problems. A subclass has `domain` and `residual`, and as many of the others as it needs.

    domain: a :class:`bpfree.pde.Box`.
    outputs: the names of the network's outputs; default ("u",).
    residual: a method (u, c) that returns what should be 0 inside, (n,), or a tuple for several equations. With one
    output, u is its :class:`~bpfree.pde.fields.Field`; with several, u.name is the field of that name. c has the
    coordinates and `fields`.
    conditions: a list of conditions such as Dirichlet("x", 0.0). Soft ones are terms of the loss, hard ones define
    the ansatz.
    ansatz: a function (f, c) that computes u from the network's f, both jets, such as c.x * (1 - c.x) * f. It is
    differentiated exactly, so that conditions that it satisfies hold exactly.
    fields: {name: number or function} of known coefficients and sources, which are c.name in formulas. A function
    names the coordinates that it takes, lambda x, t: ..., or takes all of them as one argument c.
    exact: a method (c) that returns the solution where there is a formula, (n,), or a tuple for several outputs.
    reference: a method (points) that returns the solution (n, outputs) at points (n, dim) where it is known; by
    default it comes from `exact`.
    truth: {name: value} of unknown coefficients whose values are known.
    points: the number of points inside, where `solve` is given none.
    guesses: {name: functions of c} for :meth:`floors`.

    A class attribute Unknown(start) is a coefficient to be found.
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
        """The ansatz of the hard conditions; None without any."""
        return hard_ansatz(self)

    @property
    def reference(self):
        """`exact` as a function of points; None if there is no `exact`."""
        return None if self.exact is None else self._evaluate

    def residual(self, u, c):
        """Return what should be 0 at every point inside the domain."""
        expected = "a method that returns what should be 0 inside the domain"
        raise NotImplementedError(f"{type(self).__name__}.residual(u, c): expected {expected}, got none")

    @property
    def name(self) -> str:
        """The name of the class."""
        return type(self).__name__

    @property
    def unknowns(self) -> dict[str, float]:
        """The unknown coefficients and their current values, in the order of the class."""
        found = {}
        for owner in reversed(type(self).__mro__):
            found |= {name: one for name, one in vars(owner).items() if isinstance(one, Unknown)}
        return {name: getattr(self, name) for name in found}

    def bind(self, values) -> Problem:
        """Return the same problem with these values of its unknowns."""
        names = list(self.unknowns)
        if len(values) != len(names):
            raise ValueError(f"values: expected {len(names)} numbers, for {', '.join(names)}, got {len(values)}")
        if not names:
            return self
        bound = copy.copy(self)
        numbers = [one if isinstance(one, Dual) else float(one) for one in values]
        bound._bound = dict(zip(names, numbers, strict=True))
        return bound

    def terms(self) -> tuple[Term, ...]:
        """Return the term of the equation inside, followed by that of each soft condition; their names are unique."""
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
                expected = f"one number per point, ({len(points)},) at {len(points)} points, of each output of a tuple"
                raise ValueError(f"exact: expected {expected}, got shape {np.shape(one)}")
        return np.stack([np.broadcast_to(one, (len(points),)) for one in found], axis=1)

    def test_points(self, n: int = 10_000, seed: int = 0) -> np.ndarray:
        """Return the points (n, dim) at which errors are measured: uniform, or normal for a Normal coordinate.

        They are a Sobol sequence with its own seed, which gives less random results than independent points.
        """
        return interior(self.domain, n, "sobol", check_seed(seed) ^ TEST)

    def network(self, seed: int = 0):
        """Return an untrained network for the problem, used where none is given: two layers of 32 tanh."""
        layers = [Linear(32), Tanh(), Linear(32), Tanh(), Linear(len(self.outputs))]
        return Sequential(self.domain.dim, layers, seed=seed)

    def floors(self, points=None) -> dict[str, float]:
        """Return the relative L2 errors of trivial answers by name, at points, by default `test_points()`.

        They should be printed beside every result: a network that is not far below them has learned little.
        """
        return floors(self, self.test_points() if points is None else points)
