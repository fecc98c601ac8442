# SPDX-License-Identifier: MIT
"""Conditions at the boundary of a domain: values, normal derivatives, periodicity, initial and terminal values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_choice, check_finite, check_positive
from bpfree.pde.domain import Cube
from bpfree.pde.known import known
from bpfree.pde.samplers import faces
from bpfree.pde.term import Term

SIDES = {"low": ("low",), "high": ("high",), "both": ("low", "high")}


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The base of all conditions.

    weight: weight of the mean square in the loss.
    share: number of points of the condition, relative to those inside.
    output: name of the output that the condition is about, where there are several.
    hard: whether the condition is satisfied by an ansatz u = A + B f for every network f, instead of being a term of
    the loss; possible for Dirichlet, Initial and Terminal (:mod:`bpfree.pde.hard`).
    """

    weight: float = 1.0
    share: float = 0.1
    output: str | None = None
    hard: bool = False

    may_be_hard = False

    def __post_init__(self):
        check_positive("weight", self.weight)
        check_positive("share", self.share)
        if self.hard and not self.may_be_hard:
            expected = "a soft condition (write `ansatz` by hand)"
            raise ValueError(f"{type(self).__name__}: expected {expected}, got hard=True")

    @property
    def name(self) -> str:
        """The name of its term of the loss."""
        return type(self).__name__.lower()

    def _named(self) -> str:
        return f"{self.name}_{self.output}" if self.output else self.name

    def index(self, problem) -> int:
        """Return the number of the output that the condition is about."""
        if self.output is None and len(problem.outputs) == 1:
            return 0
        if self.output not in problem.outputs:
            raise ValueError(f"{self.name}: expected output={' or '.join(problem.outputs)}, got {self.output!r}")
        return problem.outputs.index(self.output)

    def field(self, problem, fields):
        """Return the field of the output that the condition is about, from one field or a namespace of several."""
        return fields if len(problem.outputs) == 1 else getattr(fields, problem.outputs[self.index(problem)])

    def term(self, problem) -> Term:
        """Return its term of the loss."""

        def sample(n, sampler, seed):
            return faces(problem.domain, self.coordinate, self.sides, n, sampler, seed)

        return Term(self._named(), self.rows, sample, self.weight, self.share)

    def coefficients(self):
        """Return (a, b, value) of a condition a u + b du/dn = value; None for other conditions."""
        return None

    def check(self, problem) -> None:
        """Raise unless the problem's domain has the coordinate, with ends."""
        self.index(problem)
        if not isinstance(problem.domain.coordinates[self._known(problem)], Cube):
            raise ValueError(f"{self.name}: expected a coordinate with ends, got {self.coordinate}, which is Normal")

    def _known(self, problem):
        if self.coordinate not in problem.domain.names:
            expected = f"one of the coordinates {', '.join(problem.domain.names)}"
            raise ValueError(f"{self.name}: expected {expected}, got {self.coordinate!r}")
        return self.coordinate


@dataclass(frozen=True)
class _Face(Condition):
    """A condition at the ends of one coordinate."""

    coordinate: str

    @property
    def sides(self):
        """The ends where the condition holds."""
        return SIDES[check_choice("side", self.side, tuple(SIDES))]

    @property
    def name(self):
        """The name of its term of the loss."""
        end = "" if self.side == "both" else f"_{self.side}"
        return f"{type(self).__name__.lower()}_{self.coordinate}{end}"

    def rows(self, problem, fields, c):
        """Return a u + b du/dn - value, which should be 0."""
        a, b, value = self.coefficients()
        u, total = self.field(problem, fields), -np.asarray(known(self.name, value, c))
        if a:
            total = total + a * u.value
        return total + b * normal_derivative(problem.domain, u, c, self.coordinate) if b else total


@dataclass(frozen=True)
class Dirichlet(_Face):
    """u = value at the ends of a coordinate.

    coordinate: its name.
    value: a number; or a function of coordinates by name, such as lambda t: t, or of one argument c that has them all.
    side: "low", "high" or "both".

    >>> from bpfree.pde import Box, Problem
    >>> class Line(Problem):
    ...     domain, conditions = Box(x=(0, 1)), [Dirichlet("x", 0.0), Dirichlet("x", lambda x: x, side="high")]
    >>> Line().terms()
    Traceback (most recent call last):
    ValueError: dirichlet_x, dirichlet_x_high: expected one value where both hold, got 0 and 1 at x = 1
    """

    value: float | Callable = 0.0
    side: str = "both"
    may_be_hard = True

    def coefficients(self):
        """Return (a, b, value) of u = value."""
        return 1.0, 0.0, self.value


@dataclass(frozen=True)
class Neumann(_Face):
    """du/dn = value at the ends of a coordinate, where n is the outward normal: du/dn = -du/dx at the low end.

    coordinate, value, side: as in :class:`Dirichlet`.

    >>> Neumann("x", 0.0, side="low").name
    'neumann_x_low'
    """

    value: float | Callable = 0.0
    side: str = "both"

    def coefficients(self):
        """Return (a, b, value) of du/dn = value."""
        return 0.0, 1.0, self.value


@dataclass(frozen=True)
class Robin(_Face):
    """a u + b du/dn = value at the ends of a coordinate, where n is the outward normal.

    coordinate, value, side: as in :class:`Dirichlet`.

    >>> Robin("x", 1.0, 0.5, lambda t: t).name
    'robin_x'
    """

    a: float
    b: float
    value: float | Callable = 0.0
    side: str = "both"

    def __post_init__(self):
        super().__post_init__()
        if not (check_finite("a", self.a) or check_finite("b", self.b)):
            raise ValueError("robin: expected a or b other than 0, got a = 0 and b = 0")

    def coefficients(self):
        """Return (a, b, value) of a u + b du/dn = value."""
        return self.a, self.b, self.value


@dataclass(frozen=True)
class Periodic(Condition):
    """u is equal at both ends of a coordinate of one dimension, and so is du/dx with derivative=True.

    >>> Periodic("x").name
    'periodic_x'
    """

    coordinate: str
    derivative: bool = True
    sides = ("low",)

    @property
    def name(self):
        """The name of its term of the loss."""
        return f"periodic_{self.coordinate}"

    def term(self, problem):
        """Return its term, which is about pairs of points."""
        one, (column,) = problem.domain.coordinates[self.coordinate], problem.domain.columns(self.coordinate)

        def partner(points):
            return np.where(np.arange(points.shape[1]) == column, one.high, points)

        term = super().term(problem)
        return Term(term.name, self.rows, term.sample, self.weight, self.share, partner)

    def rows(self, problem, fields, cs):
        """Return the differences of value and derivative between the ends, which should be 0."""
        low, high = (self.field(problem, one) for one in fields)
        difference = low.value - high.value
        if not self.derivative:
            return difference
        return difference, low.d(self.coordinate) - high.d(self.coordinate)

    def check(self, problem):
        """Raise unless the coordinate has two ends."""
        super().check(problem)
        size = len(problem.domain.columns(self.coordinate))
        if size != 1:
            raise ValueError(f"{self.name}: expected a coordinate of one dimension, got {self.coordinate} of {size}")


@dataclass(frozen=True)
class _Moment(Condition):
    """A condition at one end of time, the coordinate t."""

    value: float | Callable = 0.0
    coordinate = "t"
    may_be_hard = True

    def coefficients(self):
        """Return (a, b, value) of u = value."""
        return 1.0, 0.0, self.value

    def rows(self, problem, fields, c):
        """Return u - value, which should be 0."""
        return self.field(problem, fields).value - known(self.name, self.value, c)

    def check(self, problem):
        """Raise unless the domain has a time."""
        names = problem.domain.names
        if "t" not in names or len(problem.domain.columns("t")) > 1:
            raise ValueError(f"{self.name}: expected a coordinate t of one dimension, got {', '.join(names)}")
        super().check(problem)


@dataclass(frozen=True)
class Initial(_Moment):
    """u = value at the beginning of t, and du/dt = velocity if a velocity is given.

    value, velocity: numbers or functions, as in :class:`Dirichlet`.

    >>> import numpy as np
    >>> Initial(lambda x: np.sin(np.pi * x)).name
    'initial'
    """

    velocity: float | Callable | None = None
    sides = ("low",)

    def rows(self, problem, fields, c):
        """Return u - value, and du/dt - velocity if there is one."""
        rows = super().rows(problem, fields, c)
        if self.velocity is None:
            return rows
        u = self.field(problem, fields)
        return rows, u.d("t") - known(f"velocity of {self.name}", self.velocity, c)


@dataclass(frozen=True)
class Terminal(_Moment):
    """u = value at the end of t.

    value: as in :class:`Dirichlet`.

    >>> Terminal(lambda x: x.sum(axis=0)).name
    'terminal'
    """

    sides = ("high",)


def normal_derivative(domain, u, c, name):
    """Return du/dn (n,) on faces of this coordinate; the point itself tells on which face it lies."""
    one, x = domain.coordinates[name], np.atleast_2d(getattr(c, name))
    middle, half = (one.low + one.high) / 2, (one.high - one.low) / 2
    if len(x) == 1:
        return np.sign(x[0] - middle) * u.d(name)
    out = (x - middle) / half
    nearest = np.abs(out).argmax(axis=0)
    normal = np.where(np.arange(len(x))[:, None] == nearest, np.sign(out), 0.0)
    return (normal * u.grad(name)).sum(axis=0)
