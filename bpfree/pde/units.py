# SPDX-License-Identifier: MIT
"""Solves problems in raw units, such as metres of 1e-6 and temperatures of 300, as their scaled twins are solved.

A network computes with numbers around 1. So where coordinates, prescribed values, unknowns or equations are far from
that, the solve works with a twin: the network's inputs are (x - shift) / size, its outputs are u = middle + spread f,
unknowns are multiples of their starts, and each equation is divided by the size of its terms. The result is folded into
the first and the last layer, so that the network that is returned takes and gives raw units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bpfree.pde.domain import Cube
from bpfree.pde.hard import HardAnsatz
from bpfree.pde.observed import Observed
from bpfree.pde.residuals import TermRows
from bpfree.pde.samplers import faces
from bpfree.pde.trial import quantities_of, sizes_of_terms, trial_rows, trial_slopes
from bpfree.pde.wanted import GradSquare, Laplacian, columns_of
from bpfree.pde.well_posed import prescribed

ORDINARY = 32.0
"""Coordinates up to this, of at least 1 over this in length, and prescribed values in between are left as they are."""

ORDINARY_UNKNOWN, ORDINARY_EQUATION, ORDINARY_SOURCE = 1e2, 1e4, 1e3
"""The same for the starts of unknowns, the sizes of equations, and those of sources relative to the other terms."""

N = 16
"""Number of points at which equations are looked at."""


@dataclass(frozen=True)
class Units:
    """What turns numbers around 1 into those of a problem.

    shift, size (dim,): of coordinates. middle, spread (outputs,): of values. unknowns (k,): of unknowns.
    rows: {term: the size (equations,) of its equations}.
    """

    shift: np.ndarray
    size: np.ndarray
    middle: np.ndarray
    spread: np.ndarray
    unknowns: np.ndarray
    rows: dict

    @property
    def is_plain_in_u(self) -> bool:
        """Whether u is the network's output, or the ansatz of it, as it is."""
        return bool((self.spread == 1).all() and (self.middle == 0).all())

    @property
    def scales_network(self) -> bool:
        """Whether the first or the last layer is another one in raw units."""
        return bool((self.size != 1).any() or (self.shift != 0).any()) or not self.is_plain_in_u

    def without_network(self) -> Units:
        """Return the units that leave the network as it is."""
        zeros, ones = np.zeros_like, np.ones_like
        return replace(
            self, shift=zeros(self.shift), size=ones(self.size), middle=zeros(self.middle), spread=ones(self.spread)
        )


def units_of(problem) -> Units | None:
    """Return the units of a problem; None where all its numbers are ordinary, as those of the library's problems."""
    if type(problem).__module__.startswith("bpfree."):
        return None
    terms = problem.terms()
    shift, size = _coordinates(problem.domain)
    middle, spread = np.transpose([_values(problem, k) for k in range(len(problem.outputs))])
    starts = np.abs(np.array(list(problem.unknowns.values()), float))
    unknowns = np.where((starts > 0) & ~_ordinary(starts, ORDINARY_UNKNOWN), starts, 1.0)
    units = Units(shift, size, middle, spread, unknowns, {})
    if not any(_prescribed(problem, k).any() for k in range(len(problem.outputs))):
        units = replace(units, spread=_spread_of_source(problem, terms[0], units))
    rows = {term.name: np.sqrt(sum(_squares(problem, term, units))) for term in terms}
    units = replace(units, rows={name: np.where(size > 0, size, 1.0) for name, size in rows.items()})
    sizes = np.concatenate(list(units.rows.values()))
    if not units.scales_network and (unknowns == 1).all() and _ordinary(sizes, ORDINARY_EQUATION).all():
        return None
    ansatz = problem.ansatz
    if ansatz is not None:  # hard conditions have the middle in their A; what an ansatz of one's own does is not known
        known = isinstance(ansatz, HardAnsatz)
        units = replace(units, middle=np.zeros_like(middle), spread=units.spread if known else np.ones_like(spread))
    return units


def _ordinary(values, most):
    values = np.abs(values)
    return (values <= most) & (values >= 1 / most)


def _coordinates(domain):
    shift, size = np.zeros(domain.dim), np.ones(domain.dim)
    for name, one in domain.coordinates.items():
        own = list(domain.columns(name))
        if isinstance(one, Cube):
            if max(abs(one.low), abs(one.high)) > ORDINARY or one.high - one.low < 1 / ORDINARY:
                shift[own], size[own] = (one.low + one.high) / 2, (one.high - one.low) / 2
        elif not _ordinary(one.scale, ORDINARY):
            size[own] = one.scale
    return shift, size


def _prescribed(problem, k):
    """Return the values of an output that conditions prescribe at some points, and measured ones; 0 without any."""
    found = []
    for one in (one for one in problem.conditions if one.index(problem) == k):
        if isinstance(one, Observed):
            found.append(np.asarray(one.values, float))
        elif one.coefficients() and one.coefficients()[1] == 0:
            found += [prescribed(problem, one, faces(problem.domain, one.coordinate, (side,), N)) for side in one.sides]
    return np.concatenate(found or [np.zeros(1)])


def _values(problem, k):
    """Return middle and spread of an output."""
    values = _prescribed(problem, k)
    most, low, high = np.abs(values).max(), values.min(), values.max()
    seed = low == high and most < 1 and len(problem.outputs) > 1  # such as a few infected, who are to become many
    if most == 0 or _ordinary(most, ORDINARY) or seed:
        return 0.0, 1.0
    middle, half = (low + high) / 2, (high - low) / 2
    return (middle, half) if abs(middle) > 2 * half > 0 else (0.0, most)


def _spread_of_source(problem, term, units):
    """Return the spread (outputs,) at which the terms of the only equation are as large as its source."""
    terms, source = (np.sqrt(one) for one in _squares(problem, term, units))
    if len(problem.outputs) > 1 or len(source) > 1 or not (terms > 0).all() or not (source > 0).all():
        return units.spread
    ratio = source / terms
    return units.spread if _ordinary(ratio, ORDINARY_SOURCE).all() else ratio


@np.errstate(all="ignore")
def _squares(problem, term, units):
    """Return the mean squares (equations,) of the terms (dr/dq) q of a term's equations, and of r at q = 0, its source.

    The quantities q have arbitrary values in units of the problem.
    """
    random, points = np.random.default_rng(0), term.sample(N, "sobol", 0)[:N]
    part = TermRows(problem, term, points, np.float64)
    values = {}
    for k, q in quantities_of(part):
        unit = unit_of(q, units.spread[k], units.size)
        values[k, q] = unit * random.uniform(0.5, 1.5, len(points)) + (units.middle[k] if q is None else 0.0)
    source = trial_rows(problem, part, points, {key: 0 * value for key, value in values.items()})
    return sizes_of_terms(trial_slopes(problem, part, points, values), values.values(), source)


def unit_of(q, spread, size):
    """Return the size of a quantity of u where u varies by spread over the size (dim,) of coordinates."""
    if q is None:
        return spread
    over = 1 / size[list(columns_of(q))]
    if isinstance(q, Laplacian | GradSquare):
        return (over**2).sum() * (spread if isinstance(q, Laplacian) else spread**2)
    return spread * over.prod()
