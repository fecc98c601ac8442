# SPDX-License-Identifier: MIT
"""ReLU: y = x <= 0 ? 0 : x, elementwise, so that NaN stays."""

from __future__ import annotations

import numpy as np

from bpfree.ops.onnx_rows import elementwise
from bpfree.ops.table import Op


def forward(arithmetic, parameters, x, attributes):
    """The larger of x and 0, or NaN; adding 0 makes +0 of a -0. np.where is 11x slower."""
    y = np.maximum(x, x.dtype.type(0))
    return np.add(y, x.dtype.type(0), out=y)


OP = Op(
    number=2,
    name="relu",
    c="bpfree_op_relu",
    infer=lambda attributes, shape: shape,
    forward=forward,
    macs=lambda attributes, shape: 0,
    derivative=lambda arithmetic, x, y, attributes: np.sign(y),
    slope="bpfree_slope_relu",
    slope_reads="y",
    to_onnx=elementwise("Relu"),
    in_place=True,
    examples=(({}, (9,)), ({}, (2, 3))),
)
