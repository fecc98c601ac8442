# SPDX-License-Identifier: MIT
"""Hadamard: rows of a Hadamard matrix with random signs on its columns; directions of one step are orthogonal."""

from __future__ import annotations

import numpy as np

from bpfree import rng
from bpfree.directions import rademacher
from bpfree.directions.table import Direction
from bpfree.rng import Domain


def walsh(row: int, first: int, size: int) -> np.ndarray:
    """H[row, first .. first + size) float32, the matrix of Sylvester: -1 where an odd count of bits is shared.

    >>> [walsh(row, 0, 4).tolist() for row in (1, 2, 3)]
    [[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0], [1.0, -1.0, -1.0, 1.0]]
    """
    odd = np.arange(first, first + size, dtype=np.uint32) & np.uint32(row)
    for shift in (16, 8, 4, 2, 1):
        odd ^= odd >> np.uint32(shift)
    return np.float32(1) - np.float32(2) * (odd & np.uint32(1)).astype(np.float32)


def order(d: int) -> int:
    """Rows of the matrix for d elements: the least power of two that is at least d."""
    return 1 << (d - 1).bit_length()


def rows(d: int, seed: int, step: int, queries) -> np.ndarray:
    """The row of each query where d elements move: a permutation that the step draws; more queries begin it again."""
    n = order(d)
    return rng.shuffle(seed, step, n, np.asarray(queries, np.uint32) & np.uint32(n - 1), Domain.MASK)


class Hadamard(Direction):
    """The row. Element k of theta has column k; a probe's `element` is the matrix's row."""

    def at(self, piece, seed: int, step: int, query: int, element: int) -> np.ndarray:
        """The signs of the columns times the row."""
        return self.draw(piece, seed, step, query) * walsh(element, piece.offset, piece.size)


ROW = Hadamard(4, "hadamard", "BPFREE_HADAMARD", Domain.PROBE, rademacher.draw)
