# SPDX-License-Identifier: MIT
"""Sigmoid: y = 1 / (1 + exp(-x)), elementwise."""

from __future__ import annotations

from bpfree.ops.onnx_rows import elementwise
from bpfree.ops.table import Op


def curvature(arithmetic, x, y, attributes):
    """y (1 - y) (1 - 2 y)."""
    one = y.dtype.type(1)
    return y * (one - y) * (one - (y + y))


OP = Op(
    number=9,
    name="sigmoid",
    c="bpfree_op_sigmoid",
    infer=lambda attributes, shape: shape,
    forward=lambda arithmetic, parameters, x, attributes: arithmetic.sigmoid(x),
    macs=lambda attributes, shape: 0,
    derivative=lambda arithmetic, x, y, attributes: y * (y.dtype.type(1) - y),
    curvature=curvature,
    slope="bpfree_slope_sigmoid",
    slope_reads="y",
    to_onnx=elementwise("Sigmoid"),
    in_place=True,
    examples=(({}, (9,)),),
)
