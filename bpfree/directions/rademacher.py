# SPDX-License-Identifier: MIT
"""Rademacher: u in {-1, +1}^d. It takes one bit per element, mu u is exact, and no direction has less variance."""

from __future__ import annotations

import numpy as np

from bpfree import rng
from bpfree.directions.table import Direction


def draw(part, seed: int, step: int, query: int) -> np.ndarray:
    """Return signs (size,) float32 for one slice."""
    return rng.signs(seed, step, rng.address(rng.Domain.PROBE, query), part.first_block, part.size)


ROW = Direction(0, "rademacher", "BPFREE_RADEMACHER", rng.Domain.PROBE, draw)
