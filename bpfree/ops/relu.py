# SPDX-License-Identifier: MIT
"""ReLU: y = x > 0 ? x : 0, elementwise (NaN gives 0, as in C)."""

from __future__ import annotations

import numpy as np

from bpfree.ops.onnx_rows import elementwise
from bpfree.ops.table import Op

OP = Op(
    number=2,
    name="relu",
    c="bpfree_op_relu",
    infer=lambda attributes, shape: shape,
    forward=lambda arithmetic, parameters, x, attributes: np.where(x > 0, x, x.dtype.type(0)),
    macs=lambda attributes, shape: 0,
    derivative=lambda arithmetic, x, y, attributes: (x > 0).astype(x.dtype),
    slope="bpfree_slope_relu",
    slope_reads="y",
    to_onnx=elementwise("Relu"),
    in_place=True,
    examples=(({}, (9,)), ({}, (2, 3))),
)
