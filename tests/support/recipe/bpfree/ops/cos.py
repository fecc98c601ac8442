# SPDX-License-Identifier: MIT
"""Cos: y = cos(x), elementwise."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.ops.table import elementwise_op


def forward(site, arithmetic, parameters, inputs):
    """The runtime's own cos, `src/math32.h`, operation by operation."""
    return arithmetic.cos(inputs[0])


def derivative(site, arithmetic, x, y):
    """-sin(x), the runtime's own."""
    return -arithmetic.sin(x)


OP = elementwise_op(
    "cos",
    forward,
    number=12,
    derivative=derivative,
    curvature=lambda site, arithmetic, x, y: -y,
    reads="x",
    onnx="Cos",
)


@dataclass(frozen=True)
class Cos:
    """y = cos(x), elementwise.

    >>> import bpfree as bf
    >>> bf.Sequential(1, [bf.Cos()]).predict([[0.0]], "exact").tolist()
    [[1.0]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return OP, {}
