# SPDX-License-Identifier: MIT
"""Sigmoid: y = 1 / (1 + exp(-x)), elementwise."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.ops.table import elementwise_op


def forward(site, arithmetic, parameters, inputs):
    """The runtime's own sigmoid, `src/math32.h`, operation by operation."""
    return arithmetic.sigmoid(inputs[0])


def derivative(site, arithmetic, x, y):
    """fl(y fl(1 - y))."""
    return y * (y.dtype.type(1) - y)


def curvature(site, arithmetic, x, y):
    """y (1 - y) (1 - 2 y)."""
    one = y.dtype.type(1)
    return y * (one - y) * (one - (y + y))


OP = elementwise_op(
    "sigmoid",
    forward,
    number=9,
    derivative=derivative,
    curvature=curvature,
    reads="y",
    onnx="Sigmoid",
)


@dataclass(frozen=True)
class Sigmoid:
    """y = 1 / (1 + exp(-x)), elementwise.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.Sigmoid()]).predict([[0.0, 100.0]], "exact").tolist()
    [[0.5, 1.0]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return OP, {}
