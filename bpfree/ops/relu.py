# SPDX-License-Identifier: MIT
"""ReLU: y = x > 0 ? x : 0, elementwise (NaN gives 0, as in C)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.ops.table import elementwise_op


def forward(site, arithmetic, parameters, inputs):
    """x > 0 ? x : 0, so NaN and -0 give 0."""
    (x,) = inputs  # fmax takes 0 for NaN, and adding 0 makes +0 of its -0. np.where is 8x slower
    y = np.fmax(x, x.dtype.type(0))
    return np.add(y, x.dtype.type(0), out=y)


def derivative(site, arithmetic, x, y):
    """1 where x > 0, else 0."""
    return (x > 0).astype(x.dtype)


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
