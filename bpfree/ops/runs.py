# SPDX-License-Identifier: MIT
"""What runs an operation: those of the table as they are; one's own are shown what they must not write on."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_unmasked
from bpfree.ops import OPS


def run_op(op, site, arithmetic, parameters, inputs, n: int):
    """y (features, n) of n samples, of an op without inputs too, in the precision of what it is made of.

    Raises ValueError where `forward` of one's own fails, writes on what it is given, or gives anything but real
    numbers of that shape.
    """
    wanted, forward = (site.outputs, n if inputs else 1), op.forward if OPS.has(op) else _guarded(op)
    y = np.asarray(forward(site, arithmetic, parameters, inputs))
    if y.shape != wanted or y.dtype.kind not in "biuf":
        expected = f"expected forward of {op.name!r} to give real numbers of shape {wanted}"
        raise ValueError(f"op: {expected}, got {y.dtype} of shape {y.shape}")
    y = y.astype((*inputs, *parameters)[0].dtype, copy=False)
    return y if inputs else np.repeat(y, n, axis=1)


def slope_of(op, which: str, site, arithmetic, x, y):
    """The "derivative" or the "curvature" of an elementwise op at x, in the shape and the precision of x.

    Raises ValueError where one's own fails, writes on what it is given, or gives anything but real numbers of that
    shape, or one number for all.
    """
    function = getattr(op.elementwise, which)
    if OPS.has(op):
        return function(site, arithmetic, x, y)
    found = _named(op, which, "(site, arithmetic, x, y)", function, site, arithmetic, _shown(x), _shown(y))
    found = np.asarray(check_unmasked(f"op: {which} of {op.name!r}", found))
    if found.shape not in ((), x.shape) or found.dtype.kind not in "biuf":
        expected = f"expected {which} of {op.name!r} to give real numbers of shape {x.shape}"
        raise ValueError(f"op: {expected}, got {found.dtype} of shape {found.shape}")
    return np.broadcast_to(found, x.shape).astype(x.dtype)


def _guarded(op):
    """The `forward` of an op of one's own, which can write on nothing and gives an array that is nobody else's."""

    def forward(site, arithmetic, parameters, inputs):
        shown = list(map(_shown, parameters)), tuple(map(_shown, inputs))
        takes = "(site, arithmetic, parameters, inputs)"
        found = _named(op, "forward", takes, op.forward, site, arithmetic, *shown)
        y = np.asarray(check_unmasked(f"op: forward of {op.name!r}", found))
        return y if y.flags.writeable else y.copy()  # such as an input, handed on

    return forward


def _named(op, which: str, takes: str, function, *arguments):
    """What a function of an op of one's own gives; raises ValueError that names both where it fails."""
    try:
        return function(*arguments)
    except Exception as error:
        written = "copy what it writes on, as others read it, too" if "read-only" in str(error) else ""
        expected = f"expected {which} of {op.name!r} to {written or f'give numbers of {takes}'}"
        raise ValueError(f"op: {expected}, got {type(error).__name__}: {error}") from error


def _shown(array):
    """The same numbers, to be read only."""
    view = array.view()
    view.flags.writeable = False
    return view
