# SPDX-License-Identifier: MIT
"""The table of gradient estimators: one file a row."""

from __future__ import annotations

from bpfree.estimators import cge, coordinate_descent, hybrid, rge
from bpfree.registry import Table

ESTIMATORS = Table("estimators", [*rge.ROWS, cge.ROW, hybrid.ROW, coordinate_descent.ROW])
"""Joined with the C side by the generated estimators.gen.def."""
