# SPDX-License-Identifier: MIT
"""Flatten: the same numbers as one long vector per sample."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from bpfree.ops.onnx_rows import chain, step
from bpfree.ops.table import Jet, elementwise_op


def forward(site, arithmetic, parameters, inputs):
    """The same numbers, the last axis fastest."""
    return inputs[0]


def derivative(site, arithmetic, x, y):
    """1."""
    return np.ones_like(x)


OP = elementwise_op(
    "flatten",
    forward,
    number=5,
    infer=lambda attributes, shapes: (prod(shapes[0]),),
    derivative=derivative,
    jet=Jet(tangent=forward),
    onnx=lambda site, parameters: chain(step("Flatten", axis=1)),
    examples=(({}, ((2, 3),)), ({}, ((5,),))),
)


@dataclass(frozen=True)
class Flatten:
    """The same numbers as one vector a sample.

    >>> import bpfree as bf
    >>> bf.Sequential((2, 3), [bf.Flatten()]).graph.output.shape
    (6,)
    """

    def node(self, shape):
        """Operation and attributes."""
        return OP, {}
