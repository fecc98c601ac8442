# SPDX-License-Identifier: MIT
"""Sin: y = sin(x), elementwise."""

from __future__ import annotations

from bpfree.ops.onnx_rows import elementwise
from bpfree.ops.table import Op

OP = Op(
    number=8,
    name="sin",
    c="bpfree_op_sin",
    infer=lambda attributes, shape: shape,
    forward=lambda arithmetic, parameters, x, attributes: arithmetic.sin(x),
    macs=lambda attributes, shape: 0,
    derivative=lambda arithmetic, x, y, attributes: arithmetic.cos(x),
    curvature=lambda arithmetic, x, y, attributes: -y,
    slope="bpfree_slope_sin",
    slope_reads="x",
    to_onnx=elementwise("Sin"),
    in_place=True,
    examples=(({}, (9,)),),
)
