# SPDX-License-Identifier: MIT
"""Sin: y = sin(x), elementwise."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.ops.table import elementwise_op


def forward(site, arithmetic, parameters, inputs):
    """The runtime's own sin, `src/math32.h`, operation by operation."""
    return arithmetic.sin(inputs[0])


def derivative(site, arithmetic, x, y):
    """cos(x), the runtime's own."""
    return arithmetic.cos(x)


OP = elementwise_op(
    "sin",
    forward,
    number=8,
    derivative=derivative,
    curvature=lambda site, arithmetic, x, y: -y,
    reads="x",
    onnx="Sin",
)


@dataclass(frozen=True)
class Sin:
    """y = sin(x), elementwise.

    >>> import bpfree as bf
    >>> bf.Sequential(1, [bf.Sin()]).predict([[0.0]], "exact").tolist()
    [[0.0]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return OP, {}
