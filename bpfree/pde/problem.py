# SPDX-License-Identifier: MIT
"""A PDE as data: a domain, equations, conditions, unknown coefficients, perhaps an ansatz and a reference."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_finite
from bpfree.pde.samplers import interior


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


@dataclass(frozen=True)
class Term:
    """Equations that hold at one kind of points; `problem.terms()` has them.

    name: as it is reported. formula(problem, fields, coordinates): what is to be 0, (n,) or a tuple of them; fields
    is one :class:`~bpfree.pde.fields.Field`, or a namespace of them by name where there are several outputs.
    sample(n, sampler, seed): points (n, dim). share: of the points that go to this term, relative to the interior's 1.
    weight: of its mean square in the loss. partner(points): for equations between two points each, such as periodic
    ones, the second of each; the formula then gets pairs (fields, fields), (coordinates, coordinates).
    """

    name: str
    formula: Callable
    sample: Callable
    weight: float = 1.0
    share: float = 1.0
    partner: Callable | None = None


class Problem:
    """Base of all problems. A subclass has `domain`, `residual`, and what else it needs of the following.

    domain: :class:`bpfree.pde.Box`. outputs: names of what the network computes, default ("u",).
    residual(u, c): what is to be 0 inside, (n,), or a tuple for several equations. With one output u is its
    :class:`~bpfree.pde.fields.Field`; with more, u.name is the field of that name. c has the coordinates and `fields`.
    conditions: such as Dirichlet("x", 0.0); soft ones are terms of the loss.
    ansatz(f, c): u from the network's f, of jets, such as c.x * (1 - c.x) * f: it is differentiated exactly, so
    conditions that it fulfils hold exactly.
    fields: {name: function of c}, known coefficients and sources. Unknown(start): a coefficient to be found.
    reference(points): the solution (n, outputs) at points (n, dim), where it is known.
    """

    domain = None
    outputs: tuple[str, ...] = ("u",)
    conditions: tuple = ()
    fields: dict = {}
    ansatz = None
    reference = None
    _bound: dict = {}

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
        """The equation inside, then one term of each soft condition."""
        inside = Term("residual", lambda problem, u, c: problem.residual(u, c), self._inside)
        return inside, *(condition.term(self) for condition in self.conditions)

    def _inside(self, n, sampler, seed):
        return interior(self.domain, n, sampler, seed)
