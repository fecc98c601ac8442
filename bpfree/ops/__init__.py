# SPDX-License-Identifier: MIT
"""The table of operations: one file a row."""

from __future__ import annotations

import copyreg

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
from bpfree.ops.table import Op
from bpfree.registry import Table

OPS = Table(
    "ops",
    [
        *(linear.OP, tt_linear.OP, relu.OP, tanh.OP, add.OP),
        *(flatten.OP, scale.OP, softmax.OP, sin.OP, sigmoid.OP, square.OP),
        parameter.OP,
    ],
)
"""Joined with the C kernels by the generated ops.gen.def."""


def _row(name: str) -> Op:
    return OPS[name]


def _reduce(op: Op):
    """A row of the table is sent to other processes by its name; one of one's own as what it is made of."""
    return (_row, (op.name,)) if any(op is row for row in OPS) else object.__reduce_ex__(op, 2)


copyreg.pickle(Op, _reduce)
