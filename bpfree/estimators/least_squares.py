# SPDX-License-Identifier: MIT
"""Least squares: the gradient within the span of the directions, from derivatives along them."""

from __future__ import annotations

import numpy as np

from bpfree.blas import threads_for
from bpfree.directions import direction_of
from bpfree.rng import BLOCK

_MOST = 1 << 20
"""Elements of directions held at once."""

_SINGULAR = 1e-10
"""Directions of which less than this share of the square is left beside the others depend on them."""


def combine(graph, direction: str, seed: int, step: int, derivatives, queries=None) -> np.ndarray:
    """(q,) float64: a = (d / r) (V^T V)^+ c of derivatives c (q,) along V (d, q) of rank r; then g = V a.

    queries: the numbers of the directions, 0 ... q - 1 unless some are missing.

    V is drawn block by block and never held. Inner products of signs are whole numbers, and exact.
    """
    from scipy import linalg  # on first use: training with a mean needs none of it

    queries = range(len(derivatives)) if queries is None else queries
    q, d = len(derivatives), graph.n_theta
    with threads_for(q * max(q**2, min(d * q, _MOST))):  # beside that of `train`, for `minimize` and ask and tell
        return _solved(linalg, _products(graph, direction_of(direction), seed, step, queries), derivatives, d)


def _solved(linalg, products, derivatives, d):
    """(d / r) (V^T V)^+ c of the products V^T V."""
    derivatives = derivatives.astype(np.float64)
    try:
        factor = linalg.cholesky(products, lower=True, check_finite=False)
        pivots = np.diag(factor) ** 2 / np.diag(products)
    except linalg.LinAlgError:
        pivots = np.zeros(1)
    if pivots.min() > _SINGULAR:
        solved = linalg.cho_solve((factor, True), derivatives, check_finite=False)
        return solved * (d / len(derivatives))
    values, vectors = linalg.eigh(products, check_finite=False)
    kept = values > values[-1] * _SINGULAR
    vectors = vectors[:, kept]
    return vectors @ ((derivatives @ vectors) / values[kept]) * (d / max(1, kept.sum()))


def macs(d: int, q: int) -> int:
    """Multiply-accumulates of `combine`: inner products of every pair, the factor, two triangles."""
    return d * q * (q + 1) // 2 + q**3 // 6 + q**2


def _products(graph, row, seed, step, queries) -> np.ndarray:
    """V^T V (q, q) float64."""
    q = len(queries)
    total, size = np.zeros((q, q)), max(1, _MOST // (q * BLOCK)) * BLOCK
    for part in graph.trainable:
        for first in range(part.offset, part.range.stop, size):
            (piece,) = graph.pieces(first, min(size, part.range.stop - first))
            v = np.stack([row.draw(piece, seed, step, query) for query in queries]).astype(np.float64)
            total += v @ v.T
    pieces = graph.pieces(0, graph.n_theta)
    scales = np.array([row.scale(pieces, seed, step, query) for query in queries], np.float64)
    return total * scales * scales[:, None]
