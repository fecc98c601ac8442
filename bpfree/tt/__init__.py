# SPDX-License-Identifier: MIT
"""Tensor-train weights: shapes, contractions, initialisation."""

from __future__ import annotations

from bpfree.tt.cores import from_dense, initialise_cores, squared_norm, to_dense
from bpfree.tt.shapes import Sweep, TTShape, factorisations, plan_shape, uniform_ranks

__all__ = [
    "Sweep",
    "TTShape",
    "factorisations",
    "from_dense",
    "initialise_cores",
    "plan_shape",
    "squared_norm",
    "to_dense",
    "uniform_ranks",
]
