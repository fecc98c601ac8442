# SPDX-License-Identifier: MIT
"""The table of gradient estimators: one file a row."""

from __future__ import annotations

from bpfree.estimators import cge, node_perturbation, rge, structured, unit_wise
from bpfree.registry import Table

ESTIMATORS = Table("estimators", [*rge.ROWS, cge.ROW, unit_wise.ROW, node_perturbation.ROW, structured.ROW])
"""Joined with the C side by the generated estimators.gen.def."""
