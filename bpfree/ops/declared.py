# SPDX-License-Identifier: MIT
"""What an operation says of itself where it stands, checked: its output, and its parameters with their first values."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bpfree.errors import check_count


def checked_shape(what: str, shape) -> tuple[int, ...]:
    """A shape as a tuple of ints; raises ValueError, which says what gave it, where it is none."""
    try:
        return tuple(check_count("size", size) for size in shape)
    except (TypeError, ValueError):
        raise ValueError(f"{what}: expected a shape such as (4,), of integers >= 1, got {shape!r}") from None


def parameter_rows(op, site) -> list[tuple[str, tuple[int, ...]]]:
    """[(name, shape), ...] of its parameters, in slice order. Raises TypeError or ValueError that names the op."""
    what, shapes, rows = f"parameters of op {op.name!r}", {}, op.parameters.rows(site)
    for row in rows if isinstance(rows, Iterable) else [rows]:
        if not isinstance(row, tuple | list) or len(row) != 2:
            raise TypeError(f"{what}: expected rows to give a list of (name, shape), got {rows!r}")
        name, shape = row
        if not isinstance(name, str) or not name or not name.isprintable() or "." in name:
            raise ValueError(f"{what}: expected names such as 'weight', without a dot, got {name!r}")
        if name in shapes:
            raise ValueError(f"{what}: expected names to be unique, got {name!r} twice")
        shapes[name] = checked_shape(f"{what}: {name!r}", shape)
    return list(shapes.items())


def first_values(op, site, draw, gain: float) -> list:
    """Arrays for its parameters, in slice order, or numbers that fill them. Raises ValueError that names the op."""
    shapes, found = [shape for _, shape in parameter_rows(op, site)], op.parameters.initialise(site, draw, gain)
    arrays = [np.asarray(value) for value in (found if isinstance(found, Iterable) else [found])]
    got = [array.shape for array in arrays]
    fits = len(got) == len(shapes) and all(size in ((), shape) for size, shape in zip(got, shapes, strict=True))
    if not fits or any(array.dtype.kind not in "biuf" for array in arrays):
        kinds = [f"{array.dtype} of shape {array.shape}" for array in arrays]
        expected = f"expected initialise to give real numbers of shapes {shapes}, got {kinds or 'none'}"
        raise ValueError(f"parameters of op {op.name!r}: {expected}")
    return arrays
