# SPDX-License-Identifier: MIT
"""Hadamard: rows of a Hadamard matrix with random signs on its columns, which makes a step's directions orthogonal."""

from __future__ import annotations

import numpy as np

from bpfree import rng
from bpfree.directions import rademacher
from bpfree.directions.table import Direction
from bpfree.rng import Domain


def walsh(row: int, first: int, size: int) -> np.ndarray:
    """Return H[row, first:first + size] float32 of Sylvester's matrix H.

    An element is -1 where row and column share an odd number of bits. Equivalent
    to scipy.linalg.hadamard(n)[row, first:first + size], without the matrix.

    >>> [walsh(row, 0, 4).tolist() for row in (1, 2, 3)]
    [[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0], [1.0, -1.0, -1.0, 1.0]]
    """
    odd = np.arange(first, first + size, dtype=np.uint32) & np.uint32(row)
    for shift in (16, 8, 4, 2, 1):
        odd ^= odd >> np.uint32(shift)
    return np.float32(1) - np.float32(2) * (odd & np.uint32(1)).astype(np.float32)


def order(d: int) -> int:
    """Return the order of the matrix for d elements: the least power of two that is at least d."""
    return 1 << (d - 1).bit_length()


def rows(d: int, seed: int, step: int, queries) -> np.ndarray:
    """Return the matrix row of each query, for d elements: a permutation per step, which repeats for more queries."""
    n = order(d)
    return rng.shuffle(seed, step, n, np.asarray(queries, np.uint32) & np.uint32(n - 1), Domain.MASK)


class Hadamard(Direction):
    """The row of Hadamard directions: element k of theta has column k, and a probe's `element` is the matrix row."""

    def at(self, piece, seed: int, step: int, query: int, element: int) -> np.ndarray:
        """Return the matrix row times the signs of the columns, (size,) float32."""
        return self.draw(piece, seed, step, query) * walsh(element, piece.offset, piece.size)


ROW = Hadamard("hadamard", rademacher.draw, number=4, c="BPFREE_HADAMARD")
