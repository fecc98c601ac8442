# SPDX-License-Identifier: MIT
"""The table of operations: one file a row."""

from __future__ import annotations

from bpfree.ops import linear, relu, tanh, tt_linear
from bpfree.registry import Table

OPS = Table("ops", [linear.OP, tt_linear.OP, relu.OP, tanh.OP])
"""Joined with the C kernels by the generated ops.gen.def."""
