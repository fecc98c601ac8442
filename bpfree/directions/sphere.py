# SPDX-License-Identifier: MIT
"""Sphere: u = sqrt(d) g / |g| with Gaussian g and d moving elements; with this radius, E[u u^T] = I."""

from __future__ import annotations

import numpy as np

from bpfree.arithmetic import running_sum
from bpfree.directions import gaussian
from bpfree.directions.table import Direction
from bpfree.rng import BLOCK, Domain


def scale(pieces, seed: int, step: int, query: int) -> np.float32:
    """Return sqrt(d / sum g^2), summed in order within random blocks and then over blocks; 0 for g = 0."""
    total, d = np.float32(0), 0
    for piece in pieces:
        g, stop = gaussian.draw(piece, seed, step, query), piece.skip + piece.size
        squares = np.zeros((-(-stop // BLOCK), BLOCK), np.float32)
        squares.reshape(-1)[piece.skip : stop] = g * g
        total = running_sum(np.append(total, running_sum(squares, axis=1)))
        d += piece.size
    return np.sqrt(np.float32(d) / total) if total else np.float32(0)


ROW = Direction("sphere", gaussian.draw, scale, Domain.GAUSSIAN, number=2, c="BPFREE_SPHERE")
