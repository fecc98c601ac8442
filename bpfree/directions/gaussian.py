# SPDX-License-Identifier: MIT
"""Gaussian: u ~ N(0, I), by the pairs of Box and Muller (Ann. Math. Stat. 29, 1958)."""

from __future__ import annotations

import numpy as np

from bpfree import rng
from bpfree.arithmetic.math32 import cos32, log32, sin32
from bpfree.directions.table import Direction

_PAIRS = rng.BLOCK // 2
"""Random blocks, each of which gives one pair, for every BLOCK elements."""

_TURN = np.float32(float.fromhex("0x1.921fb6p-22"))
"""The unit of the angles: 2 pi 2^-24."""


def draw(piece, seed: int, step: int, query: int) -> np.ndarray:
    """Return normal numbers (size,) float32 for one piece of theta."""
    address = rng.address(rng.Domain.GAUSSIAN, query)
    return normal(seed, step, address, piece.block * _PAIRS, piece.skip + piece.size)[piece.skip :]


def normal(seed: int, step: int, address: int, first_block: int, size: int) -> np.ndarray:
    """Return normal numbers (size,) float32 from the blocks of an address, with the same bits as in C.

    The words (a, b) of a block give r = sqrt(-2 log(((a >> 8) + 1) 2^-24)) and
    the angle (b >> 8) 2 pi 2^-24, and these the elements r cos(angle) and
    r sin(angle). The largest possible magnitude is 5.77.
    """
    pairs = (size + 1) // 2
    words = rng.words(seed, step, address, first_block, 2 * pairs).reshape(pairs, 2) >> np.uint32(8)
    r = np.sqrt(np.float32(-2) * log32((words[:, 0] + np.uint32(1)).astype(np.float32) * np.float32(2.0**-24)))
    angle = words[:, 1].astype(np.float32) * _TURN
    return np.stack([r * cos32(angle), r * sin32(angle)], axis=1).reshape(-1)[:size]


ROW = Direction("gaussian", draw, domain=rng.Domain.GAUSSIAN, number=1, c="BPFREE_GAUSSIAN")
