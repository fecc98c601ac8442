# SPDX-License-Identifier: MIT
"""Whether the rows of a formula depend on points other than their own, as with a mean or an integral of u."""

from __future__ import annotations

import numpy as np

from bpfree.pde.jet import Jet
from bpfree.pde.well_posed import warn_once

FEW = 12
"""Number of points at which a formula is tried."""

ROUNDING = 1e-9
"""Share of the largest row by which rows may differ, because NumPy rounds long and short arrays differently."""


def is_coupled(part, problem, stencil) -> bool:
    """Return whether rows of a term change when its points are cut or permuted, or cannot be computed then.

    The formula is tried at a few of the points, with arbitrary numbers in place of u and its derivatives. A formula
    that gives other rows each time causes a warning.
    """
    random = np.random.default_rng(0)
    some = part.take(np.unique(np.linspace(0, part.n - 1, FEW).round().astype(int)))
    n, streams = some.n, stencil.layout.streams
    if n == 1:
        return False
    shape = (len(problem.outputs), streams.count, len(some.all_points()))
    orders = [np.arange(n), random.permutation(n), np.arange(n // 2), np.arange(n // 2, n)[::-1], [0], [n - 1]]
    for scale in (0.0, 1.0, 30.0):  # positive numbers; numbers of both signs; large ones
        numbers = scale * random.standard_normal(shape) if scale else random.uniform(0.3, 0.9, shape)

        def rows(order, numbers=numbers):
            own = some.take(np.asarray(order))
            sides = range(1 if some.partner is None else 2)
            columns = np.concatenate([np.asarray(order) + side * n for side in sides])
            jets = [Jet(one[0, columns], one[1:, columns], streams) for one in numbers]
            return own.formula_rows(problem, jets, stencil)

        with np.errstate(all="ignore"):
            try:
                whole = rows(orders[0])
            except Exception:  # it does not take such numbers
                continue
            try:
                parts = [rows(order) for order in orders[1:]]
            except Exception:  # a formula that fails at fewer points depends on the others
                return True
            if not _same(whole, rows(orders[0])):
                expected = "the same rows each time (draw random numbers once, when the problem is made)"
                warn_once(problem, f"{part.term.name}: expected {expected}, got others the second time")
                return False
        if not all(_same(whole[:, order], one) for order, one in zip(orders[1:], parts, strict=True)):
            return True
    return False


def _same(one, other) -> bool:
    """Return whether rows agree up to rounding; what is not finite agrees with what is not finite."""
    finite = np.isfinite(one)
    if not np.array_equal(finite, np.isfinite(other)):
        return False
    most = np.abs(one[finite]).max(initial=0.0)
    return bool((np.abs(one[finite] - other[finite]) <= ROUNDING * most).all())
