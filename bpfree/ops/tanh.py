# SPDX-License-Identifier: MIT
"""Tanh: y = tanh(x), elementwise."""

from __future__ import annotations

from bpfree.ops.onnx_rows import elementwise
from bpfree.ops.table import Op

OP = Op(
    number=3,
    name="tanh",
    c="bpfree_op_tanh",
    infer=lambda attributes, shape: shape,
    forward=lambda arithmetic, parameters, x, attributes: arithmetic.tanh(x),
    macs=lambda attributes, shape: 0,
    derivative=lambda arithmetic, x, y, attributes: y.dtype.type(1) - y * y,
    curvature=lambda arithmetic, x, y, attributes: y.dtype.type(-2) * y * (y.dtype.type(1) - y * y),
    slope="bpfree_slope_tanh",
    slope_reads="y",
    to_onnx=elementwise("Tanh"),
    in_place=True,
    examples=(({}, (9,)),),
)
