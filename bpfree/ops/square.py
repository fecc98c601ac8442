# SPDX-License-Identifier: MIT
"""Square: y = x^2, elementwise."""

from __future__ import annotations

from math import prod

import numpy as np

from bpfree.ops.onnx_rows import BEFORE, chain
from bpfree.ops.table import Op

OP = Op(
    number=10,
    name="square",
    c="bpfree_op_square",
    infer=lambda attributes, shape: shape,
    forward=lambda arithmetic, parameters, x, attributes: x * x,
    macs=lambda attributes, shape: prod(shape),
    derivative=lambda arithmetic, x, y, attributes: x + x,
    curvature=lambda arithmetic, x, y, attributes: np.full_like(x, 2.0),
    slope="bpfree_slope_square",
    slope_reads="x",
    to_onnx=lambda attributes, shape, parameters: chain(("Mul", (BEFORE, BEFORE), {}, {})),
    in_place=True,
    examples=(({}, (9,)), ({}, (2, 3))),
)
