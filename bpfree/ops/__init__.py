# SPDX-License-Identifier: MIT
"""The table of operations: one file a row."""

from __future__ import annotations

from bpfree.ops import (
    add,
    flatten,
    linear,
    parameter,
    relu,
    scale,
    sigmoid,
    sin,
    softmax,
    square,
    tanh,
    tt_linear,
)
from bpfree.ops.table import Op, Parameters, elementwise_op
from bpfree.registry import Table, travel_by_name

OPS = Table(
    "ops",
    [
        *(linear.OP, tt_linear.OP, relu.OP, tanh.OP, add.OP),
        *(flatten.OP, scale.OP, softmax.OP, sin.OP, sigmoid.OP, square.OP),
        parameter.OP,
    ],
)
"""Joined with the C kernels by the generated ops.gen.def."""


travel_by_name(OPS, __name__, "OPS")
