# SPDX-License-Identifier: MIT
"""The table of directions that probes move along, one file per row."""

from __future__ import annotations

from bpfree.directions import coordinate, gaussian, hadamard, rademacher, sphere
from bpfree.directions.table import Direction
from bpfree.registry import Table, travel_by_name

DIRECTIONS = Table("directions", [rademacher.ROW, gaussian.ROW, sphere.ROW, coordinate.ROW, hadamard.ROW])
"""The directions, in the order of `enum bpfree_direction`."""

travel_by_name(DIRECTIONS, __name__, "DIRECTIONS")

RANDOM = tuple(row.name for row in DIRECTIONS if row.random)
"""Names of the directions that are drawn from (seed, step, query)."""


def direction_of(direction) -> Direction:
    """A row of the table by its name; a row as it is."""
    return direction if isinstance(direction, Direction) else DIRECTIONS[direction]
