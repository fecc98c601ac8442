# SPDX-License-Identifier: MIT
"""Rademacher: u in {-1, +1}^d. One bit an element, mu u is exact, and of all directions the least variance."""

from __future__ import annotations

import numpy as np

from bpfree import rng
from bpfree.directions.table import Direction


def draw(part, seed: int, step: int, query: int) -> np.ndarray:
    """Signs (size,) float32 of one slice."""
    return rng.signs(seed, step, rng.address(rng.Domain.PROBE, query), part.first_block, part.size)


ROW = Direction(0, "rademacher", "BPFREE_RADEMACHER", rng.Domain.PROBE, draw)
