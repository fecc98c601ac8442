# SPDX-License-Identifier: MIT
"""Flatten: the same numbers as one long vector per sample."""

from __future__ import annotations

from math import prod

import numpy as np

from bpfree.ops.onnx_rows import chain, step
from bpfree.ops.table import Op

OP = Op(
    number=5,
    name="flatten",
    c="bpfree_op_flatten",
    infer=lambda attributes, shape: (prod(shape),),
    forward=lambda arithmetic, parameters, x, attributes: x,
    macs=lambda attributes, shape: 0,
    tangent=lambda arithmetic, parameters, x, attributes: x,
    derivative=lambda arithmetic, x, y, attributes: np.ones_like(x),
    slope="bpfree_slope_flatten",
    to_onnx=lambda attributes, shape, parameters: chain(step("Flatten", axis=1)),
    in_place=True,
    examples=(({}, (2, 3)), ({}, (5,))),
)
