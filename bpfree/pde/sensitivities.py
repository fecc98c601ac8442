# SPDX-License-Identifier: MIT
"""Derivatives of a formula's rows by the jets of the network's outputs and by unknowns, which take no passes.

They are exact (:mod:`bpfree.pde.dual`). Where a formula leaves NumPy, they are differences
(:mod:`bpfree.pde.steps`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from bpfree.pde.dual import seeded, slopes_of
from bpfree.pde.fields import values_of
from bpfree.pde.steps import difference
from bpfree.pde.tangents import Tangent

TOGETHER = 32
"""The most quantities by which a formula is differentiated at a time, which limits memory."""


def output_weights(part, problem, value, rest, stencil):
    """Return dr / d stream of the network's outputs, (rows, outputs, count, n'), without the weight of the term.

    value (m, n') and rest (m, count - 1, n') are the network's jets at the points of the term, partners included.
    """
    fields = part.fields(problem, value, rest, stencil)
    weights = _field_weights(part, problem, fields, stencil)
    if problem.ansatz is None:
        return np.stack(weights, axis=1)
    streams, found = stencil.layout.streams, 0.0
    split = 1 + streams.n_first
    for weight, whole in zip(weights, _field_slopes(part, problem, value, rest, stencil), strict=True):
        tangent = Tangent(whole[:, 0], whole[:, 1:split], whole[:, split:])
        found = found + tangent.back(weight[:, None], streams)
    return found


def unknown_columns(residuals, part, theta, value, rest, stencil):
    """Return dr / d unknown coefficient, (unknowns, rows, n)."""
    unknowns, problem = theta[residuals.n_network :].tolist(), residuals.problem

    def read(k):
        return unknowns[k]

    def given(changed):
        return problem.bind([changed[k](one) if k in changed else one for k, one in enumerate(unknowns)])

    def equations(changed):
        bound = given(changed)
        return part.equations(bound, part.fields(bound, value, rest, stencil), stencil)

    def rows(changed):
        return part.values(given(changed), value, rest, stencil)

    return slopes((part.rows, part.n), range(len(unknowns)), read, equations, rows)


def quantity_slopes(part, problem, fields, stencil):
    """Return dr / dq by all that the formula may read, {(field, side, quantity): (rows, n)}.

    The quantity None is the value; side 1 is the partner.
    """
    sides, quantities = range(1 if part.partner is None else 2), (None, *part.wanted)
    keys = [(k, side, q) for k in range(len(fields)) for side in sides for q in quantities]
    read = partial(quantity_of, part, fields, stencil)
    equations = partial(part.equations, problem, fields, stencil)
    rows = partial(part.formula_rows, problem, fields, stencil)
    return dict(zip(keys, slopes((part.rows, part.n), keys, read, equations, rows), strict=True))


def quantity_of(part, fields, stencil, key):
    """Return the quantity (n,) of a key of `quantity_slopes`."""
    number, side, quantity = key
    jet = fields[number]
    return (jet.value if quantity is None else stencil.layout.read(quantity, jet.rest))[_columns(part, side)]


def _columns(part, side: int) -> slice:
    return slice(side * part.n, (side + 1) * part.n)


def _field_weights(part, problem, fields, stencil):
    """Return dr / d stream of every field, each (rows, count, n'), through the quantities that the formula reads."""
    streams, layout = stencil.layout.streams, stencil.layout
    found = [np.zeros((part.rows, streams.count, jet.value.shape[-1])) for jet in fields]
    for (own, side, quantity), slope in quantity_slopes(part, problem, fields, stencil).items():
        columns = _columns(part, side)
        if quantity is None:
            found[own][:, 0, columns] += slope
        else:
            inner = layout.slopes(quantity, fields[own].rest[:, columns])
            with np.errstate(invalid="ignore"):  # |grad u| where grad u = 0: inf times 0, of which 0 is a subgradient
                found[own][:, 1:, columns] += np.where(inner == 0.0, 0.0, slope[:, None] * inner)
    return found


def _field_slopes(part, problem, value, rest, stencil):
    """Return the derivatives of every field's jet by the value of each output, each (outputs, count, n')."""
    outputs, streams = len(value), stencil.layout.streams

    def exact():
        jets = part.fields(problem, [seeded(one, k, outputs) for k, one in enumerate(value)], rest, stencil)
        n, others = value.shape[-1], (streams.count - 1, value.shape[-1])
        parts = [(slopes_of(jet.value, outputs, (n,)), slopes_of(jet.rest, outputs, others)) for jet in jets]
        return [np.concatenate([first[:, None], second], axis=1) for first, second in parts]

    def measured():
        found = []
        for k, one in enumerate(value):

            def moved(shift, k=k):
                there = value.copy()
                there[k] += shift
                jets = part.fields(problem, there, rest, stencil)
                return np.stack([np.concatenate([jet.value[None], jet.rest]) for jet in jets])

            found.append(difference(moved, one))
        return np.stack(found, axis=1)

    return _exact_or_measured(exact, measured)


def slopes(shape, keys, read: Callable, equations: Callable, rows: Callable):
    """Return the derivatives of rows of this shape (rows, n) by each quantity, (keys, rows, n).

    read(key): the quantity. equations(changed), rows(changed): what the formula returns, as such and as an array
    (rows, n), where it gets changed[key](quantity) in place of a quantity.
    """

    def exact():
        found = np.zeros((len(keys), *shape))
        for start in range(0, len(keys), TOGETHER):
            some = keys[start : start + TOGETHER]
            changed = {key: partial(seeded, number=k, count=len(some)) for k, key in enumerate(some)}
            for row, one in enumerate(equations(changed)):
                found[start : start + len(some), row] = slopes_of(values_of(one), len(some), shape[1:])
        return found

    def measured():
        found = [difference(lambda shift, key=key: rows({key: lambda v: v + shift}), read(key)) for key in keys]
        return np.stack(found) if found else np.zeros((0, *shape))

    return _exact_or_measured(exact, measured)


def _exact_or_measured(exact, measured):
    try:
        return exact()
    except Exception:  # a formula may do anything to what is no array; if it is the formula that fails, so it does now
        return measured()
