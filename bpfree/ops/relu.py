# SPDX-License-Identifier: MIT
"""ReLU: y = x <= 0 ? 0 : x, elementwise, so that NaN stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.ops.table import elementwise_op


def forward(site, arithmetic, parameters, inputs):
    """x <= 0 ? 0 : x, so -0 gives +0 and NaN stays."""
    (x,) = inputs
    y = np.maximum(x, x.dtype.type(0))  # adding 0 makes +0 of its -0; np.where is 11x slower
    return np.add(y, x.dtype.type(0), out=y)


def derivative(site, arithmetic, x, y):
    """y > 0 ? 1 : y, so NaN stays."""
    return np.sign(y)


OP = elementwise_op(
    "relu",
    forward,
    number=2,
    derivative=derivative,
    reads="y",
    onnx="Relu",
)


@dataclass(frozen=True)
class ReLU:
    """y = max(x, 0), elementwise.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.ReLU()]).predict([[-1.0, 2.0]], "exact").tolist()
    [[0.0, 2.0]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return OP, {}
