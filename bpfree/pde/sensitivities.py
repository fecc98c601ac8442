# SPDX-License-Identifier: MIT
"""Derivatives of a formula's rows by the jets of the network's outputs, by differences that take no passes."""

from __future__ import annotations

import numpy as np

from bpfree.pde.tangents import Tangent

STEP = 2.0**-9
"""Step of a difference of fourth order, relative to 1 + |value|: it is exact for a cubic, up to rounding of 1e-13."""


def difference(function, step):
    """Return the derivative at 0 of a function of a shift, by four values; step broadcasts against the values."""
    near, far = (function(k * step) - function(-k * step) for k in (1, 2))
    return (8 * near - far) / (12 * step)


def output_weights(part, problem, value, rest, stencil):
    """Return dr / d stream of the network's outputs, (rows, outputs, count, n'), without the weight of the term.

    value (m, n') and rest (m, count - 1, n') are the network's jets at the points of the term, partners included.
    """
    fields = part.fields(problem, value, rest, stencil)
    weights = [_field_weights(part, problem, fields, k, stencil) for k in range(len(fields))]
    if problem.ansatz is None:
        return np.stack(weights, axis=1)
    streams, found = stencil.layout.streams, 0.0
    steps = STEP * (1 + np.abs(value))
    tangents = []
    for own in range(len(value)):

        def moved(shift, own=own):
            there = value.copy()
            there[own] += shift
            jets = part.fields(problem, there, rest, stencil)
            return np.stack([np.concatenate([jet.value[None], jet.rest]) for jet in jets])

        tangents.append(difference(moved, steps[own]))
    for k, weight in enumerate(weights):  # from field k back to the outputs that it depends on
        whole = np.stack([tangent[k] for tangent in tangents])
        split = 1 + streams.n_first
        tangent = Tangent(whole[:, 0], whole[:, 1:split], whole[:, split:])
        found = found + tangent.back(weight[:, None], streams)
    return found


def _field_weights(part, problem, fields, own, stencil):
    """Return dr / d stream of one field, (rows, count, n'), through the quantities that the formula reads."""
    streams, jet = stencil.layout.streams, fields[own]
    found = np.zeros((part.rows, streams.count, jet.value.shape[-1]))
    for side in range(1 if part.partner is None else 2):
        columns = slice(side * part.n, (side + 1) * part.n)
        rest = jet.rest[:, columns]
        for quantity in (None, *part.wanted):
            read = jet.value[columns] if quantity is None else stencil.layout.read(quantity, rest)

            def moved(shift, quantity=quantity, side=side):
                return part.formula_rows(problem, fields, stencil, {(own, side, quantity): shift})

            slope = difference(moved, STEP * (1 + np.abs(read)))
            if quantity is None:
                found[:, 0, columns] += slope
            else:
                found[:, 1:, columns] += slope[:, None] * stencil.layout.slopes(quantity, rest)
    return found


def unknown_columns(residuals, part, theta, value, rest, stencil):
    """Return dr / d unknown coefficient, (unknowns, rows, n)."""
    unknowns, found = theta[residuals.n_network :], []
    for k in range(len(unknowns)):

        def moved(shift, k=k):
            there = unknowns.copy()
            there[k] += shift
            return part.values(residuals.problem.bind(there), value, rest, stencil)

        found.append(difference(moved, STEP * (1 + abs(unknowns[k]))))
    return np.stack(found) if found else np.zeros((0, part.rows, part.n))
