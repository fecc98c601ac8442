# SPDX-License-Identifier: MIT
"""Evaluates a formula, its derivatives and the size of its terms where u has given values, whatever the network."""

from __future__ import annotations

import numpy as np

from bpfree.pde.fields import Coordinates, Field
from bpfree.pde.sensitivities import slopes


def quantities_of(part) -> list:
    """Return (output, quantity) of all that the formula of a TermRows may read; None stands for the value."""
    return [(k, q) for k in range(len(part.problem.outputs)) for q in (None, *part.wanted)]


def trial_rows(problem, part, points, values):
    """Return the rows (equations, n) of a term at points (n, dim), with these values {(output, quantity): (n,)}.

    Both sides of a pair of points get the same values.
    """
    found = _equations(problem, part, points, {key: value.copy() for key, value in values.items()})
    return np.stack([np.broadcast_to(np.asarray(one, float), (len(points),)) for one in found])


def trial_slopes(problem, part, points, values):
    """Return dr / dq by each of the values, (values, equations, n)."""

    def changed_values(changed):
        return {key: changed[key](value) if key in changed else value.copy() for key, value in values.items()}

    def equations(changed):
        return _equations(problem, part, points, changed_values(changed))

    def rows(changed):
        return trial_rows(problem, part, points, changed_values(changed))

    return slopes((part.rows, len(points)), list(values), values.get, equations, rows)


def _equations(problem, part, points, values) -> tuple:
    """Return what the formula returns for each equation. It may change the values, by adding in place to one."""

    def side(points):
        fields = [
            Field(values[k, None], problem.domain, lambda q, k=k: values[k, q]) for k in range(len(problem.outputs))
        ]
        return part.bundle(fields), Coordinates(problem.domain, points, fields=problem.fields)

    given = side(points)
    if part.term.partner is not None:
        given = zip(given, side(part.term.partner(points)))
    found = part.term.formula(problem, *given)
    return found if isinstance(found, tuple) else (found,)


@np.errstate(all="ignore")  # a term is left out where it is not finite, such as one of 1 / u where u is 0
def sizes_of_terms(by_quantity, values, source):
    """Return the mean squares (equations,) of the terms (dr/dq) q of equations, and of r at q = 0, their source.

    by_quantity: dr/dq (quantities, equations, n). values: q, each (n,) or a number. source: (equations, n).
    """
    terms = sum(finite_or_0(slope * value) ** 2 for slope, value in zip(by_quantity, values, strict=True))
    return terms.mean(axis=1), (finite_or_0(source) ** 2).mean(axis=1)


def finite_or_0(values):
    """Return the values, with 0 in place of those that are not finite."""
    return np.where(np.isfinite(values), values, 0.0)
