# SPDX-License-Identifier: MIT
"""Square: y = x^2, elementwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.ops.onnx_rows import BEFORE, chain
from bpfree.ops.table import elementwise_op


def forward(site, arithmetic, parameters, inputs):
    """fl(x x)."""
    return inputs[0] * inputs[0]


def derivative(site, arithmetic, x, y):
    """fl(x + x)."""
    return x + x


OP = elementwise_op(
    "square",
    forward,
    number=10,
    macs=lambda site: site.outputs,
    derivative=derivative,
    curvature=lambda site, arithmetic, x, y: np.full_like(x, 2.0),
    reads="x",
    onnx=lambda site, parameters: chain(("Mul", (BEFORE, BEFORE), {}, {})),
)


@dataclass(frozen=True)
class Square:
    """y = x^2, elementwise.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.Square()]).predict([[-3.0, 0.5]], "exact").tolist()
    [[9.0, 0.25]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return OP, {}
