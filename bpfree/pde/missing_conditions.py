# SPDX-License-Identifier: MIT
"""Finds, before a problem is solved, what leaves its solution open or at the mercy of the smallest error.

The equations are asked which derivatives they read, and with which coefficients. Only coordinates of one dimension with
ends are judged, and no problem with an ansatz or terms of its own, or with measurements, which can take the place of
conditions.
"""

from __future__ import annotations

import numpy as np

from bpfree.estimators.step import Outcome
from bpfree.pde.conditions import Initial, Periodic
from bpfree.pde.domain import Cube
from bpfree.pde.hard import HardAnsatz
from bpfree.pde.observed import Observed
from bpfree.pde.problem import Problem
from bpfree.pde.samplers import faces, interior
from bpfree.pde.trial import quantities_of, trial_rows, trial_slopes
from bpfree.pde.wanted import Laplacian, Second, columns_of

N = 8
"""Number of points at which coefficients are looked at."""

VANISHING = 1e-6
"""Share of the largest coefficient up to which one counts as 0."""

MOVE = 1e-3
"""Share of 1 + |start| by which an unknown is moved, to see whether the equations use it."""


def missing_conditions(problem, part, trained: bool = True) -> Outcome | None:
    """Return the outcome of a solve where conditions or data are missing, or where they should be others.

    part: the TermRows of the equations inside.
    trained: whether the network is; else u is known, and the equations find the unknowns.
    """
    conditions = problem.conditions
    if not _is_of_the_usual_kind(problem):
        return None
    equations = _Equations(problem, part)
    for name in equations.unused():
        text = f"{name}: expected an unknown that the equations use, got one that they do not"
        return Outcome("underdetermined", text)
    data = any(isinstance(one, Observed) for one in conditions) or not trained
    if data or not np.isfinite(equations.inside).all():
        return None
    ends = {name: _Ends(conditions, name) for name in _lines(problem)}
    return (
        _too_few(equations, ends)
        or _up_to_a_constant(problem, equations)
        or _unknown_without_data(problem, equations, ends)
        or _ill_posed(equations, ends)
    )


def _is_of_the_usual_kind(problem) -> bool:
    """Return whether the terms are those of residual and conditions, and no ansatz of one's own adds to them."""
    return type(problem).terms is Problem.terms and isinstance(problem.ansatz, HardAnsatz | None)


def conditions_in_excess(problem, part) -> str:
    """Return a text about a coordinate that has more conditions than derivatives by it; "" where none has.

    They may agree all the same, so this only explains why a problem was not solved. Each unknown takes one more.
    """
    if not _is_of_the_usual_kind(problem):
        return ""
    equations = _Equations(problem, part)
    if not np.isfinite(equations.inside).all():
        return ""
    for name in _lines(problem):
        own, enough = _Ends(problem.conditions, name), sum(equations.orders(name, least=1))
        if own.periodic or own.count <= enough + len(problem.unknowns):
            continue
        text = f"conditions of {name}: expected {enough}, as many as derivatives by {name}, got {own.count}"
        return f"{text}: they may contradict each other; leave out some, or make sure that they agree"
    return ""


def _lines(problem) -> list[str]:
    """Return the names of the coordinates of one dimension with ends."""
    return [name for name, one in problem.domain.coordinates.items() if isinstance(one, Cube) and one.dim == 1]


class _Ends:
    """The numbers of conditions of a coordinate at its ends; those of Periodic are at both."""

    def __init__(self, conditions, name):
        self.low, self.high, self.periodic = 0, 0, 0
        for one in (one for one in conditions if getattr(one, "coordinate", None) == name):
            if isinstance(one, Periodic):
                self.periodic += 1 + one.derivative
                continue
            each = 1 + (isinstance(one, Initial) and one.velocity is not None)
            self.low += each * ("low" in one.sides)
            self.high += each * ("high" in one.sides)

    @property
    def count(self) -> int:
        """The number of all of them."""
        return self.low + self.high + self.periodic


class _Equations:
    """Which derivatives the equations read, and with which coefficients."""

    def __init__(self, problem, part):
        self.problem, self.part, self.domain = problem, part, problem.domain
        self.outputs = range(len(problem.outputs))
        self.quantities = quantities_of(part)
        self.inside = self.coefficients(interior(self.domain, N))

    def values(self, n: int):
        """Return an arbitrary positive number (n,) for every quantity."""
        random = np.random.default_rng(0)
        return {key: random.uniform(0.5, 1.5, n) for key in self.quantities}

    @np.errstate(all="ignore")
    def coefficients(self, points):
        """Return dr/dq (quantities, equations, n) at points."""
        return trial_slopes(self.problem, self.part, points, self.values(len(points)))

    @np.errstate(all="ignore")
    def unused(self) -> list[str]:
        """Return the unknowns that no row moves with."""
        starts, points, found = self.problem.unknowns, interior(self.domain, N), []
        rows = trial_rows(self.problem, self.part, points, self.values(N))
        for name, start in starts.items():
            moved = self.problem.bind(list({**starts, name: start + MOVE * (1 + abs(start))}.values()))
            if np.array_equal(rows, trial_rows(moved, self.part, points, self.values(N)), equal_nan=True):
                found.append(name)
        return found

    def of(self, column: int, order: int, output: int | None = None):
        """Return the numbers of the quantities that have a derivative of this order by a coordinate."""
        return [
            i
            for i, (k, q) in enumerate(self.quantities)
            if output in (None, k) and q is not None and column in columns_of(q) and _order(q, column) == order
        ]

    def orders(self, name: str, least: int | None = None) -> list[int]:
        """Return, of each output, the highest order of the derivatives by a coordinate that count: 0, 1 or 2.

        least: the order from which on they count. In space only the second, if nothing else is given: which end needs
        a condition for a first one depends on where the flow goes.
        """
        (column,), least = self.domain.columns(name), least or (1 if name == "t" or self.domain.dim == 1 else 2)
        moves = [{order: self.of(column, order, k) for order in (1, 2)} for k in self.outputs]
        return [
            max((order for order in (1, 2) if order >= least and np.any(self.inside[own[order]])), default=0)
            for own in moves
        ]

    def are_independent(self, name: str) -> bool:
        """Whether the highest derivatives by a coordinate can be solved for: else fewer conditions may be enough."""
        (column,), orders = self.domain.columns(name), self.orders(name)
        found = [self.inside[self.of(column, order, k)].sum(axis=0)[:, 0] for k, order in enumerate(orders) if order]
        return np.linalg.matrix_rank(np.stack(found)) == len(found)

    def leading(self, column: int, order: int):
        """Return the sign of the coefficient of the derivatives of this order in the only equation; 0: it varies."""
        signs = np.sign(self.inside[self.of(column, order)].sum(axis=0))
        return int(signs.flat[0]) if (signs == signs.flat[0]).all() else 0

    def is_regular(self, name: str, side: str) -> bool:
        """Whether all coefficients at an end are finite, and those of the highest derivatives other than 0."""
        (column,), order = self.domain.columns(name), max(self.orders(name))
        own, there = self.of(column, order), self.coefficients(faces(self.domain, name, (side,), N))
        largest = np.abs(self.inside[own]).max()
        return bool(np.isfinite(there).all() and np.abs(there[own]).max() > VANISHING * largest)


def _order(q, column) -> int:
    """Return the order of a quantity's derivative by one of its columns."""
    return 2 if isinstance(q, Laplacian) or (isinstance(q, Second) and q.i == q.j == column) else 1


def _too_few(equations, ends) -> Outcome | None:
    """Return the outcome of the first coordinate that has fewer conditions than the equations have derivatives by it.

    Where the equations are singular at an end, as u_rr + u_r / r is at r = 0, being smooth is a condition.
    """
    for name, own in ends.items():
        orders = equations.orders(name)
        if own.count >= sum(orders) or not equations.are_independent(name):
            continue
        bare = [side for side in ("low", "high") if not getattr(own, side) and not own.periodic]
        if len(orders) > 1 and name != "t" and not bare:  # such as a pressure at an outlet, in place of two velocities
            continue
        singular = sum(not equations.is_regular(name, side) for side in bare)
        if own.count + singular * np.count_nonzero(orders) >= sum(orders):
            continue
        text = f"conditions of {name}: expected {sum(orders)}, as many as derivatives by {name}, got {own.count}"
        add = f"one at the {' and the '.join(bare)} end"
        if name == "t":
            add = "Initial with a velocity" if own.low and max(orders) == 2 else "Initial or Terminal"
        return Outcome("underdetermined", f"{text}: other solutions are as good; add {add}")
    return None


def _up_to_a_constant(problem, equations) -> Outcome | None:
    """Return the outcome where u + 1 solves all that u solves."""
    pinned = any(one.coefficients() and one.coefficients()[0] for one in problem.conditions)
    if len(problem.outputs) > 1 or pinned or np.any(equations.inside[0]) or not problem.conditions:
        return None
    text = "conditions: expected one about the value of u, got derivatives only: with u, u + 1 is a solution too"
    return Outcome("underdetermined", text)


def _unknown_without_data(problem, equations, ends) -> Outcome | None:
    """Return the outcome where unknowns can have any value: no measurements, and nothing in their place."""
    more = any(own.count > sum(equations.orders(name)) for name, own in ends.items())
    if not problem.unknowns or more or equations.inside.shape[1] > len(problem.outputs):
        return None
    names, found = ", ".join(problem.unknowns), "no Observed, condition or equation beyond what u needs"
    return Outcome("underdetermined", f"{names}: expected data to find unknowns by, got {found}: any value will do")


def _ill_posed(equations, ends) -> Outcome | None:
    """Return the outcome where errors of the conditions grow without bound: heat backwards, Laplace from one side."""
    if equations.inside.shape[:2] != (1 + len(equations.part.wanted), 1):
        return None
    signs = {column: equations.leading(column, 2) for column in range(equations.domain.dim)}
    for name, own in ends.items():
        (column,) = equations.domain.columns(name)
        others = {sign for other, sign in signs.items() if other != column and equations.of(other, 2)}
        if own.periodic or len(others) != 1 or 0 in others:
            continue
        (other,), order = others, equations.orders(name)[0]
        first = equations.leading(column, 1)
        if name == "t" and order == 1 and first:
            start, end = ("low", "high") if first * other < 0 else ("high", "low")
            if getattr(own, end) and not getattr(own, start):
                right, wrong = ("Initial", "Terminal") if start == "low" else ("Terminal", "Initial")
                return _unstable(f"{right}, as heat flows from there", wrong)
        if order == 2 and signs[column] == other and own.count >= 2 and not (own.low and own.high):
            return _unstable(f"one condition at each end of {name}, as the equation is elliptic", "all at one end")
        if name == "t" and order == 2 and signs[column] == -other and own.low == own.high == 1:
            return _unstable("Initial with a velocity, as the equation is a wave's", "one condition at each end of t")
    return None


def _unstable(expected, got) -> Outcome:
    text = f"conditions: expected {expected}, got {got}: the smallest error in them may grow without bound"
    return Outcome("ill_posed", text)
