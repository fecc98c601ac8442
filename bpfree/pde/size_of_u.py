# SPDX-License-Identifier: MIT
"""How large u is: as far as conditions prescribe it, as slopes that they prescribe lead to, and as a source makes it.

A slope leads u as far as the coordinate is long, or to where the other terms of the equation are as large as its
derivatives by that coordinate: u'' + 100 u with u' = 50 at the start is 5 large, however long it goes on.
"""

from __future__ import annotations

import numpy as np

from bpfree.pde.conditions import Initial
from bpfree.pde.inside import lengths_of
from bpfree.pde.observed import Observed
from bpfree.pde.residuals import TermRows
from bpfree.pde.samplers import faces
from bpfree.pde.trial import finite_or_0, quantities_of, trial_rows, trial_slopes
from bpfree.pde.wanted import First, GradSquare, Laplacian, Second, columns_of
from bpfree.pde.well_posed import prescribed, prescribed_velocity

ORDINARY = 32.0
"""Coordinates up to this, of at least 1 over this in length, and prescribed values in between are left as they are."""

ORDINARY_SOURCE = 200.0
"""The same for the u at which the terms are as large as the source; u'' = 200 over a length of 1 makes it 25 large."""

N = 16
"""Number of points at which equations and conditions are looked at."""


def is_ordinary(values, most):
    """Return whether values are at most `most`, and at least 1 over that, in size."""
    values = np.abs(values)
    return (values <= most) & (values >= 1 / most)


def sizes_of_u(problem):
    """Return the middle and the spread of each output, (2, outputs); 0 and 1 where its numbers are ordinary."""
    return np.transpose([_size_of_output(problem, k) for k in range(len(problem.outputs))])


def _size_of_output(problem, k):
    own = [one for one in problem.conditions if one.index(problem) == k]
    values = _values(problem, own)
    equation = _Equation(problem, np.abs(values).max() or 1.0)
    change = max((_change(problem, one, equation, (values.min() + values.max()) / 2) for one in own), default=0.0)
    most, low, high = max(np.abs(values).max(), change), values.min() - change, values.max() + change
    if values.min() == values.max() and most < 1 and len(problem.outputs) > 1:  # a few infected, who become many
        return 0.0, 1.0
    if equation.source > (most if most < 1 / ORDINARY else ORDINARY_SOURCE * max(most, 1.0)):
        ordinary = is_ordinary(equation.source, ORDINARY if most else ORDINARY_SOURCE)
        return 0.0, 1.0 if ordinary else equation.source
    if most == 0 or is_ordinary(most, ORDINARY):
        return 0.0, 1.0
    middle, half = (low + high) / 2, (high - low) / 2
    return (middle, half) if abs(middle) > 2 * half > 0 else (0.0, max(abs(low), abs(high)))


def _values(problem, conditions):
    """Return measured values, those that conditions prescribe at some points, and without any those of Robin; else 0.

    Robin's a u + b du/dn = value leads to u = value / a where nothing holds u elsewhere.
    """
    found, far = [], []
    for one in conditions:
        a, b, _ = one.coefficients() or (0.0, 0.0, None)
        if isinstance(one, Observed):
            found.append(np.asarray(one.values, float))
        elif a:
            values = [prescribed(problem, one, points) / a for points in _faces(problem, one)]
            (far if b else found).extend(values)
    return np.concatenate(found or far or [np.zeros(1)])


def _change(problem, one, equation, middle) -> float:
    """Return how far from the middle a condition's normal derivative or velocity leads u."""
    if isinstance(one, Initial) and one.velocity is not None:
        (points,) = _faces(problem, one)
        return np.abs(prescribed_velocity(problem, one, points)).max() * equation.reach("t")
    a, b, _ = one.coefficients() or (0.0, 0.0, None)
    if not b:
        return 0.0
    missing = max(np.abs(prescribed(problem, one, points) - a * middle).max() for points in _faces(problem, one))
    change = missing / abs(b) * equation.reach(one.coordinate)
    return min(change, missing / abs(a)) if a else change


def _faces(problem, one):
    return [faces(problem.domain, one.coordinate, (side,), N) for side in one.sides]


class _Equation:
    """The only equation of a problem, as it is where u varies by `spread` over the whole domain.

    source: the size of u at which its terms are as large as its source; 0 where there are several equations.
    """

    def __init__(self, problem, spread):
        self.domain, self.lengths = problem.domain, lengths_of(problem.domain)
        self.terms, self.source = {}, 0.0
        if len(problem.outputs) > 1:
            return
        by_quantity, values, source = trial(problem, problem.terms()[0], [0.0], [spread], self.lengths)
        if len(source) > 1:
            return
        with np.errstate(all="ignore"):
            self.terms = {
                q: _rms(slope * value) for slope, ((_, q), value) in zip(by_quantity, values.items(), strict=True)
            }
            most = np.sqrt(sum(size**2 for size in self.terms.values()))
            self.source = _rms(source) / most * spread if most > 0 else 0.0

    def reach(self, name) -> float:
        """Return over what length of a coordinate a slope of u goes on."""
        (column, *_) = self.domain.columns(name)
        for order, q in ((2, Second(column, column)), (1, First(column))):
            if self.terms.get(q, 0.0) > 0:
                others = np.sqrt(sum(size**2 for key, size in self.terms.items() if key not in _own(column)))
                share = (self.terms[q] / others) ** (1 / order) if others > 0 else 1.0
                return self.lengths[column] * min(1.0, share)
        return self.lengths[column]


def _own(column):
    return (First(column), Second(column, column))


def _rms(values) -> float:
    return float(np.sqrt((finite_or_0(values) ** 2).mean()))


def trial(problem, term, middle, spread, size):
    """Return dr/dq (quantities, equations, n), q {(output, quantity): (n,)} and r at q = 0 (equations, n) of a term.

    The quantities q have arbitrary values, of a u that varies by spread around middle over the size of coordinates.
    """
    random, points = np.random.default_rng(0), term.sample(N, "sobol", 0)[:N]
    part = TermRows(problem, term, points, np.float64)
    values = {}
    for k, q in quantities_of(part):
        unit = unit_of(q, spread[k], size)
        values[k, q] = unit * random.uniform(0.5, 1.5, len(points)) + (middle[k] if q is None else 0.0)
    with np.errstate(all="ignore"):
        source = trial_rows(problem, part, points, {key: 0 * value for key, value in values.items()})
        return trial_slopes(problem, part, points, values), values, source


def unit_of(q, spread, size):
    """Return the size of a quantity of u where u varies by spread over the size (dim,) of coordinates."""
    if q is None:
        return spread
    over = 1 / size[list(columns_of(q))]
    if isinstance(q, Laplacian | GradSquare):
        return (over**2).sum() * (spread if isinstance(q, Laplacian) else spread**2)
    return spread * over.prod()
