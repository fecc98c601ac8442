# SPDX-License-Identifier: MIT
"""Tanh: y = tanh(x), elementwise."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.ops.table import elementwise_op


def forward(site, arithmetic, parameters, inputs):
    """The runtime's own tanh, `src/math32.h`, operation by operation."""
    return arithmetic.tanh(inputs[0])


def derivative(site, arithmetic, x, y):
    """fl(1 - fl(y y))."""
    return y.dtype.type(1) - y * y


OP = elementwise_op(
    "tanh",
    forward,
    number=3,
    derivative=derivative,
    curvature=lambda site, arithmetic, x, y: y.dtype.type(-2) * y * (y.dtype.type(1) - y * y),
    reads="y",
    onnx="Tanh",
)


@dataclass(frozen=True)
class Tanh:
    """y = tanh(x), elementwise.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.Tanh()]).predict([[0.0, 100.0]], "exact").tolist()
    [[0.0, 1.0]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return OP, {}
