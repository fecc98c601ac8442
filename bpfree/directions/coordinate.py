# SPDX-License-Identifier: MIT
"""Coordinate: u = e_k, one element of theta. The estimator chooses k, so u needs no factor d as a random k would."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.rng import Domain


@dataclass(frozen=True)
class Coordinate:
    """The row of coordinates; its domain of random numbers is that of the masks that choose the elements."""

    number: int
    name: str
    c: str
    domain: Domain
    random = False

    def move(self, theta, pieces, mu, probe) -> None:
        """Set theta_k <- fl(theta_k + mu) in place; all other elements keep their bits, even the sign of a zero."""
        theta[probe.element] += mu


ROW = Coordinate(3, "coordinate", "BPFREE_COORDINATE", Domain.MASK)
