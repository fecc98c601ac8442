# SPDX-License-Identifier: MIT
"""Refuses steps and rules whose derivatives would drown in rounding."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_positive
from bpfree.pde.wanted import GradSquare, columns_of


def check_step(name: str, value: float, layout, dtype) -> float:
    """Refuse a step or sigma h below eps^(1/m), where m is the order of the highest derivative.

    There the error eps / h^m of the derivative, from rounding values of size 1, is as large as the derivative itself.
    """
    order = 2 if layout.streams.terms else 1
    floor = float(np.finfo(dtype).eps) ** (1 / order)
    if value < floor:
        kind = ("first", "second")[order - 1]
        expected = f"at least {floor:.1e}, where {kind} derivatives drown in the rounding of {np.dtype(dtype)}"
        raise ValueError(f"{name}: expected {expected}, got {value:g}")
    return value


def check_precision(stencil, wanted, dtype, tolerance: float) -> None:
    """Refuse a stencil that turns rounding errors into errors above the tolerance in any of the quantities.

    Errors of u of one unit in the last place, eps(dtype) for values of size 1, become errors of noise_gain eps. For a
    sum of squares of first derivatives, the worst of these counts. tolerance: in the units of the derivatives.

    >>> from bpfree.pde import Box, SparseGrid
    >>> from bpfree.pde import Laplacian
    >>> wanted = [Laplacian(tuple(range(20)))]
    >>> stencil = SparseGrid(sigma=0.1).stencil(wanted, Box(x=(0, 1, 20), t=(0, 1)), "f8")
    >>> check_precision(stencil, wanted, "f8", tolerance=1e-6)
    >>> check_precision(stencil, wanted, "f4", tolerance=1e-3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: rule: expected rounding errors of at most 0.001 in float32, got 0.051 in Laplacian of ...
    """
    check_positive("tolerance", tolerance)
    eps = float(np.finfo(dtype).eps)
    for quantity in wanted:
        gain = noise_gain(stencil, quantity)
        if not gain * eps <= tolerance:
            raise ValueError(
                f"rule: expected rounding errors of at most {tolerance:g} in {np.dtype(dtype)}, got "
                f"{gain * eps:.2g} in {_named(quantity)}: {stencil.rule} multiplies errors of u by {gain:.3g}; "
                "use Taylor(), a larger sigma or step, or float64"
            )


def noise_gain(stencil, quantity) -> float:
    """Return the noise gain of a linear quantity; for GradSquare the largest one of its first derivatives."""
    if not isinstance(quantity, GradSquare) or stencil.offsets is None:
        return stencil.noise_gain(quantity)
    return float(max(np.linalg.norm(stencil.weights[1 + row]) for row in stencil.layout.rows(quantity)))


def _named(quantity) -> str:
    """Return the name of a quantity for messages, where hundreds of columns become a number."""
    columns = columns_of(quantity)
    if len(columns) > 2:
        return f"{type(quantity).__name__} of {len(columns)} columns"
    return f"{type(quantity).__name__} of {' and '.join(f'column {i}' for i in columns)}"
