# SPDX-License-Identifier: MIT
"""Checks, before a problem is solved, whether it is well posed as far as a few points can tell."""

from __future__ import annotations

import sys
import warnings
from itertools import combinations

import numpy as np

from bpfree.pde.conditions import Condition
from bpfree.pde.domain import RESERVED, Box
from bpfree.pde.fields import Coordinates
from bpfree.pde.known import known
from bpfree.pde.samplers import faces, interior

N, TOLERANCE = 16, 1e-6
"""Number of points of a check, and the allowed difference of values, relative to the larger of 1 and their size."""


def check_problem(problem) -> None:
    """Raise where names, fields or conditions are contradictory; warn where conditions meet and disagree."""
    _check_names(problem)
    c = Coordinates(problem.domain, interior(problem.domain, N), fields=problem.fields)
    for name, given in problem.fields.items():
        _checked_finite(f"field {name}", np.asarray(known(f"field {name}", given, c), float))
    _check_conditions(problem.conditions)
    for one in problem.conditions:
        one.check(problem)
    if any(one.hard for one in problem.conditions) and "ansatz" in _own(problem):
        raise ValueError("ansatz: expected either one of your own or hard conditions, got both")
    valued = [one for one in problem.conditions if one.coefficients() is not None]
    for one in valued:
        for side in one.sides:
            prescribed(problem, one, faces(problem.domain, one.coordinate, (side,), N))
    for first, second in combinations(valued, 2):
        if first.index(problem) == second.index(problem):
            _compare(problem, first, second)
    problem.ansatz  # noqa: B018 - raises where hard conditions have none


def _own(problem):
    """Return the names that the problem and its classes define, without those of the base class."""
    found = set(vars(problem))
    for owner in type(problem).__mro__:
        if owner.__name__ == "Problem" and owner.__module__ == "bpfree.pde.problem":
            return found
        found |= set(vars(owner))
    return found


def _check_names(problem):
    if not isinstance(problem.domain, Box):
        raise TypeError(f"{problem.name}.domain: expected a Box, such as Box(x=(0, 1)), got {problem.domain!r}")
    for name in problem.fields:
        if name in problem.domain.names or name in RESERVED or name.startswith("_"):
            raise ValueError(f"fields: expected names that are neither coordinates nor reserved, got {name!r}")
    names = problem.outputs
    if isinstance(names, str) or len(set(names)) != len(names) or not names:
        raise ValueError(f"outputs: expected different names, at least one, got {problem.outputs!r}")


def _check_conditions(conditions):
    if not isinstance(conditions, list | tuple):
        raise TypeError(f"conditions: expected a list or a tuple of conditions, got {conditions!r}")
    for one in conditions:
        if not isinstance(one, Condition):
            raise TypeError(f'conditions: expected conditions such as Dirichlet("x", 0.0), got {one!r}')


def _checked_finite(name, values):
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: expected finite numbers, got {values[~np.isfinite(values)].flat[0]}")
    return values


def prescribed(problem, one, points):
    """Return the value (n,) that a condition prescribes at points (n, dim)."""
    return _given(problem, one.name, one.coefficients()[2], points)


def prescribed_velocity(problem, one, points):
    """Return the velocity (n,) that an initial condition prescribes at points (n, dim)."""
    return _given(problem, f"velocity of {one.name}", one.velocity, points)


def _given(problem, name, value, points):
    c = Coordinates(problem.domain, points, fields=problem.fields)
    values = np.asarray(known(name, value, c), float)
    if values.shape not in ((), (len(points),)):
        expected = f"one number per point, ({len(points)},) at {len(points)} points"
        raise ValueError(f"{name}: expected {expected}, got shape {values.shape}")
    return _checked_finite(name, np.broadcast_to(values, (len(points),)))


def _compare(problem, first, second):
    """Raise where two conditions give one face two values; warn where values disagree at an edge between two faces."""
    parallel, same = _parallel(first, second), first.coordinate == second.coordinate
    sides = [(a, b) for a in first.sides for b in second.sides if not same or a == b]
    for a, b in sides if parallel else []:
        points = faces(problem.domain, first.coordinate, (a,), N)
        if not same:
            end = getattr(problem.domain.coordinates[second.coordinate], b)
            points[:, problem.domain.columns(second.coordinate)[0]] = end
        left = prescribed(problem, first, points) / _size(first)
        right = prescribed(problem, second, points) / _size(second)
        wrong = np.abs(left - right) > TOLERANCE * np.maximum(1.0, np.maximum(np.abs(left), np.abs(right)))
        if not wrong.any():
            continue
        at = wrong.argmax()
        where = ", ".join(
            f"{one.coordinate} = {points[at, problem.domain.columns(one.coordinate)[0]]:g}"
            for one in ((first,) if same else (first, second))
        )
        text = f"{first.name}, {second.name}: expected one value where both hold, got {left[at]:g} and {right[at]:g}"
        if same:
            raise ValueError(f"{text} at {where}")
        warn_once(problem, f"{text} at {where}: no smooth solution satisfies both")


def warn_once(problem, text: str) -> None:
    """Warn once per problem, at the line outside of bpfree that led here."""
    said = vars(problem).setdefault("_said", set())
    if text in said:
        return
    said.add(text)
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("bpfree."):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)


def _parallel(first, second):
    """Return whether both conditions prescribe the same a u + b du/dn; across an edge only values are comparable."""
    (a, b, _), (c, d, _) = first.coefficients(), second.coefficients()
    return b == d == 0 if first.coordinate != second.coordinate else a * d == b * c


def _size(one):
    """Return the number that divides the value, so that multiples of one equation have the same value."""
    a, b, _ = one.coefficients()
    return a or b
