# SPDX-License-Identifier: MIT
"""The contract of directions: a direction is a vector u with an address, regenerated wherever it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bpfree.registry import OWN, HostOnly, check_callables, check_name
from bpfree.rng import Domain


def unscaled(pieces, seed: int, step: int, query: int) -> np.float32:
    """Return 1, the scale of directions that are used as they are drawn."""
    return np.float32(1)


@dataclass(frozen=True)
class Direction:
    """One row: a random direction with E[u u^T] = I; one of your own is given as RGE(direction=...).

    draw: a function (piece, seed, step, query) -> (size,) float32, u on one piece of theta before scaling; a piece
        has offset, size, and block and skip, where its random numbers begin.
    scale: a function (pieces, seed, step, query) -> float32, the factor for the pieces that move together.
    domain: the domain of its random numbers.
    number, c: the name of its constant in `enum bpfree_direction`; one of your own has none, and runs in Python.

    Raises TypeError for what is no function.

    >>> import bpfree as bf
    >>> def one_axis(piece, seed, step, query):
    ...     u = np.zeros(piece.size, np.float32)
    ...     u[(step + query) % piece.size] = np.sqrt(piece.size)
    ...     return u
    >>> model, (x, y) = bf.Sequential(4, [bf.Linear(2)]), (np.eye(4, dtype="f4"), np.arange(4) % 2)
    >>> axis = bf.RGE(2, direction=Direction("axis", one_axis))
    >>> run = bf.train(model, (x, y), estimator=axis, max_steps=2, batch_size=4)
    >>> run.fallback
    "reference, as direction 'axis' is of your own and not in C: a step takes many times as long"
    """

    name: str
    draw: Callable
    scale: Callable = unscaled
    domain: Domain = Domain.PROBE
    number: int | None = None
    c: str | HostOnly = OWN
    random = True

    def __post_init__(self):
        check_name("Direction", self.name)
        check_callables("Direction", self, ("draw", "scale"))

    def at(self, piece, seed: int, step: int, query: int, element: int) -> np.ndarray:
        """Return u on one piece before scaling, (size,) float32, for the full address of a probe."""
        return self.draw(piece, seed, step, query)

    def move(self, theta, pieces, mu, probe) -> None:
        """Set theta <- fl(theta + fl(radius u)) on these pieces in place, where radius = fl(mu scale)."""
        radius = mu * theta.dtype.type(self.scale(pieces, probe.seed, probe.step, probe.query))
        for piece in pieces:
            u = self.at(piece, probe.seed, probe.step, probe.query, probe.element)
            if np.shape(u) != (piece.size,):
                expected = f"draw of {self.name!r} to give u of the piece, ({piece.size},)"
                raise ValueError(f"direction: expected {expected}, got shape {np.shape(u)}")
            theta[piece.range] += radius * u.astype(theta.dtype)
