# SPDX-License-Identifier: MIT
"""The table of operations: one file a row."""

from __future__ import annotations

from bpfree.ops import add, flatten, linear, relu, scale, sigmoid, sin, softmax, square, tanh, tt_linear
from bpfree.registry import Table

OPS = Table(
    "ops",
    [
        *(linear.OP, tt_linear.OP, relu.OP, tanh.OP, add.OP),
        *(flatten.OP, scale.OP, softmax.OP, sin.OP, sigmoid.OP, square.OP),
    ],
)
"""Joined with the C kernels by the generated ops.gen.def."""
