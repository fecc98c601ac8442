# SPDX-License-Identifier: MIT
"""What a direction is: a vector u with an address, drawn again wherever it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bpfree.rng import Domain


def unscaled(pieces, seed: int, step: int, query: int) -> np.float32:
    """The scale of directions that are used as they are drawn: 1."""
    return np.float32(1)


@dataclass(frozen=True)
class Direction:
    """One row: a random direction with E[u u^T] = I.

    draw(piece, seed, step, query): (size,) float32, on one piece of theta, before the scale.
    scale(pieces, seed, step, query): float32, common to the pieces that move together.
    domain: of its random numbers. c: the constant of `enum bpfree_direction`.
    """

    number: int
    name: str
    c: str
    domain: Domain
    draw: Callable
    scale: Callable = unscaled
    random = True

    def at(self, piece, seed: int, step: int, query: int, element: int) -> np.ndarray:
        """u on one piece, before the scale, at a probe's whole address."""
        return self.draw(piece, seed, step, query)

    def move(self, theta, pieces, mu, probe) -> None:
        """theta <- fl(theta + fl(radius u)) on these pieces, in place, radius = fl(mu scale)."""
        radius = mu * theta.dtype.type(self.scale(pieces, probe.seed, probe.step, probe.query))
        for piece in pieces:
            u = self.at(piece, probe.seed, probe.step, probe.query, probe.element)
            theta[piece.range] += radius * u.astype(theta.dtype)
