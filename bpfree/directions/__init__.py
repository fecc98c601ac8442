# SPDX-License-Identifier: MIT
"""The table of directions that probes move along, one file per row."""

from __future__ import annotations

from bpfree.directions import coordinate, gaussian, hadamard, rademacher, sphere
from bpfree.registry import Table

DIRECTIONS = Table("directions", [rademacher.ROW, gaussian.ROW, sphere.ROW, coordinate.ROW, hadamard.ROW])
"""The directions, in the order of `enum bpfree_direction`."""

RANDOM = tuple(row.name for row in DIRECTIONS if row.random)
"""Names of the directions that are drawn from (seed, step, query)."""
