# SPDX-License-Identifier: MIT
"""Rademacher: u in {-1, +1}^d. It takes one bit per element, mu u is exact, and no direction has less variance."""

from __future__ import annotations

import numpy as np

from bpfree import rng
from bpfree.directions.table import Direction


def draw(piece, seed: int, step: int, query: int) -> np.ndarray:
    """Return signs (size,) float32 for one piece of theta."""
    address = rng.address(rng.Domain.PROBE, query)
    return rng.signs(seed, step, address, piece.block, piece.skip + piece.size)[piece.skip :]


ROW = Direction("rademacher", draw, number=0, c="BPFREE_RADEMACHER")
