# SPDX-License-Identifier: MIT
"""The table of derivative rules, one file per row."""

from __future__ import annotations

from bpfree.pde.rules import differences, random_directions, sparse_grid, stein, taylor
from bpfree.registry import Table

RULES = Table(
    "rule",
    [taylor.ROW, differences.ROW, stein.ROW, sparse_grid.ROW, random_directions.ROW],
)
