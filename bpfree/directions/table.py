# SPDX-License-Identifier: MIT
"""The contract of directions: a direction is a vector u with an address, regenerated wherever it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bpfree.rng import Domain


def unscaled(pieces, seed: int, step: int, query: int) -> np.float32:
    """Return 1, the scale of directions that are used as they are drawn."""
    return np.float32(1)


@dataclass(frozen=True)
class Direction:
    """One row: a random direction with E[u u^T] = I.

    draw: a function (piece, seed, step, query) -> (size,) float32, u on one piece of theta before scaling.
    scale: a function (pieces, seed, step, query) -> float32, the factor for the pieces that move together.
    domain: the domain of its random numbers.
    c: the name of its constant in `enum bpfree_direction`.
    """

    number: int
    name: str
    c: str
    domain: Domain
    draw: Callable
    scale: Callable = unscaled
    random = True

    def at(self, piece, seed: int, step: int, query: int, element: int) -> np.ndarray:
        """Return u on one piece before scaling, (size,) float32, for the full address of a probe."""
        return self.draw(piece, seed, step, query)

    def move(self, theta, pieces, mu, probe) -> None:
        """Set theta <- fl(theta + fl(radius u)) on these pieces in place, where radius = fl(mu scale)."""
        radius = mu * theta.dtype.type(self.scale(pieces, probe.seed, probe.step, probe.query))
        for piece in pieces:
            u = self.at(piece, probe.seed, probe.step, probe.query, probe.element)
            theta[piece.range] += radius * u.astype(theta.dtype)
