# SPDX-License-Identifier: MIT
"""When rounding would drown a derivative: steps below a dtype's floor, and rules that multiply errors too much."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_positive
from bpfree.pde.wanted import GradSquare, columns_of


def check_step(name: str, value: float, layout, dtype) -> float:
    """Refuse a step or sigma h below eps^(1/m), m the highest derivative asked for.

    There eps / h^m, what rounding of values of size 1 makes of the derivative, is as large as the derivative itself.
    """
    order = 2 if layout.streams.terms else 1
    floor = float(np.finfo(dtype).eps) ** (1 / order)
    if value < floor:
        kind = ("first", "second")[order - 1]
        expected = f"at least {floor:.1e}, where {kind} derivatives drown in the rounding of {np.dtype(dtype)}"
        raise ValueError(f"{name}: expected {expected}, got {value:g}")
    return value


def check_precision(stencil, wanted, dtype, tolerance: float) -> None:
    """Refuse a stencil that makes more of rounding errors than this, in any of the quantities.

    Errors of u of one unit in the last place, eps(dtype) for values of size 1, become noise_gain eps. Of the sum of
    squares of first derivatives it is the worst of these that counts. tolerance: in the units of the derivatives.

    >>> from bpfree.pde import Box, SparseGrid
    >>> from bpfree.pde.wanted import Laplacian
    >>> wanted = [Laplacian(tuple(range(20)))]
    >>> stencil = SparseGrid(sigma=0.1).stencil(wanted, Box(x=(0, 1, 20), t=(0, 1)), "f8")
    >>> check_precision(stencil, wanted, "f8", tolerance=1e-6)
    >>> check_precision(stencil, wanted, "f4", tolerance=1e-3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: rule: expected errors of 0.001 at most from rounding in float32, got 0.051 in Laplacian of ...
    """
    check_positive("tolerance", tolerance)
    eps = float(np.finfo(dtype).eps)
    for quantity in wanted:
        gain = noise_gain(stencil, quantity)
        if not gain * eps <= tolerance:
            raise ValueError(
                f"rule: expected errors of {tolerance:g} at most from rounding in {np.dtype(dtype)}, got "
                f"{gain * eps:.2g} in {_named(quantity)}: {stencil.rule} multiplies errors of u by {gain:.3g}; "
                "use Taylor(), a larger sigma or step, or float64"
            )


def noise_gain(stencil, quantity) -> float:
    """Of a linear quantity; of GradSquare the largest of its first derivatives."""
    if not isinstance(quantity, GradSquare) or stencil.offsets is None:
        return stencil.noise_gain(quantity)
    return float(max(np.linalg.norm(stencil.weights[1 + row]) for row in stencil.layout.rows(quantity)))


def _named(quantity) -> str:
    """In a message; columns may be hundreds."""
    columns = columns_of(quantity)
    if len(columns) > 2:
        return f"{type(quantity).__name__} of {len(columns)} columns"
    return f"{type(quantity).__name__} of {' and '.join(f'column {i}' for i in columns)}"
