# SPDX-License-Identifier: MIT
"""Evaluates a formula where u and its derivatives have given values, whatever network there is."""

from __future__ import annotations

import numpy as np

from bpfree.pde.fields import Coordinates, Field


def quantities_of(part) -> list:
    """Return (output, quantity) of all that the formula of a TermRows may read; None stands for the value."""
    return [(k, q) for k in range(len(part.problem.outputs)) for q in (None, *part.wanted)]


def trial_rows(problem, part, points, values):
    """Return the rows (equations, n) of a term at points (n, dim), with these values {(output, quantity): (n,)}.

    Both sides of a pair of points get the same values.
    """

    def side(points):
        fields = [
            Field(values[k, None], problem.domain, lambda q, k=k: values[k, q]) for k in range(len(problem.outputs))
        ]
        return part.bundle(fields), Coordinates(problem.domain, points, fields=problem.fields)

    given = side(points)
    if part.term.partner is not None:
        given = zip(given, side(part.term.partner(points)))
    found = part.term.formula(problem, *given)
    found = found if isinstance(found, tuple) else (found,)
    return np.stack([np.broadcast_to(np.asarray(one, float), (len(points),)) for one in found])
