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
from bpfree.pde.size_of_u import ORDINARY, is_ordinary, sizes_of_u, trial
from bpfree.pde.trial import sizes_of_terms

ORDINARY_UNKNOWN, ORDINARY_EQUATION = 1e2, 1e4
"""Starts of unknowns and sizes of equations up to this, and of at least 1 over this, are left as they are."""


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
    """Return the units of a problem; None where all its numbers are ordinary."""
    terms = problem.terms()
    shift, size = _coordinates(problem.domain)
    middle, spread = sizes_of_u(problem)
    starts = np.abs(np.array(list(problem.unknowns.values()), float))
    unknowns = np.where((starts > 0) & ~is_ordinary(starts, ORDINARY_UNKNOWN), starts, 1.0)
    units = Units(shift, size, middle, spread, unknowns, {})
    rows = {term.name: np.sqrt(sum(_squares(problem, term, units))) for term in terms}
    units = replace(units, rows={name: np.where(size > 0, size, 1.0) for name, size in rows.items()})
    sizes = np.concatenate(list(units.rows.values()))
    if not units.scales_network and (unknowns == 1).all() and is_ordinary(sizes, ORDINARY_EQUATION).all():
        return None
    ansatz = problem.ansatz
    if ansatz is not None:  # hard conditions have the middle in their A; what an ansatz of one's own does is not known
        known = isinstance(ansatz, HardAnsatz)
        units = replace(units, middle=np.zeros_like(middle), spread=units.spread if known else np.ones_like(spread))
    return units


def _coordinates(domain):
    shift, size = np.zeros(domain.dim), np.ones(domain.dim)
    for name, one in domain.coordinates.items():
        own = list(domain.columns(name))
        if isinstance(one, Cube):
            if max(abs(one.low), abs(one.high)) > ORDINARY or one.high - one.low < 1 / ORDINARY:
                shift[own], size[own] = (one.low + one.high) / 2, (one.high - one.low) / 2
        elif not is_ordinary(one.scale, ORDINARY):
            size[own] = one.scale
    return shift, size


def _squares(problem, term, units):
    """Return the mean squares (equations,) of the terms (dr/dq) q of a term's equations, and of r at q = 0, its source.

    The quantities q have arbitrary values in units of the problem.
    """
    by_quantity, values, source = trial(problem, term, units.middle, units.spread, units.size)
    return sizes_of_terms(by_quantity, values.values(), source)
