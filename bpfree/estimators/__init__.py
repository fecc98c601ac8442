# SPDX-License-Identifier: MIT
"""The table of gradient estimators: one file a row."""

from __future__ import annotations

from bpfree.estimators import cge, coordinate_descent, hybrid, node_perturbation, rge, structured, unit_wise
from bpfree.registry import Table, travel_by_name

ESTIMATORS = Table(
    "estimators",
    [
        *rge.ROWS[:3], cge.ROW, unit_wise.ROW, node_perturbation.ROW, structured.ROW, rge.ROWS[3], hybrid.ROW,
        coordinate_descent.ROW,
    ],
)  # fmt: skip
"""Joined with the C side by the generated estimators.gen.def."""

travel_by_name(ESTIMATORS, __name__, "ESTIMATORS")
