# SPDX-License-Identifier: MIT
"""Coordinate: u = e_k, one element of theta. Nothing is drawn; a random k would carry the factor d."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.rng import Domain


@dataclass(frozen=True)
class Coordinate:
    """The row. Its domain is that of the masks which choose the elements."""

    number: int
    name: str
    c: str
    domain: Domain
    random = False

    def move(self, theta, pieces, mu, probe) -> None:
        """theta_k <- fl(theta_k + mu) in place; all others keep their bits, zeros their sign."""
        theta[probe.element] += mu


ROW = Coordinate(3, "coordinate", "BPFREE_COORDINATE", Domain.MASK)
