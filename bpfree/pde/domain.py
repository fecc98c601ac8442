# SPDX-License-Identifier: MIT
"""Where a PDE is to hold: named coordinates, each an interval, a cube or all of space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_count, check_finite


@dataclass(frozen=True)
class Cube:
    """A coordinate of `dim` dimensions, each in [low, high]."""

    low: float
    high: float
    dim: int = 1


@dataclass(frozen=True)
class Normal:
    """A coordinate of `dim` dimensions that may be anywhere; points are drawn from N(0, scale^2)."""

    dim: int = 1
    scale: float = 1.0


class Box:
    """Named coordinates: (low, high), (low, high, dimensions) or :class:`Normal`; in the order given they are columns.

    >>> box = Box(x=(0, 1, 20), t=(0, 0.5))
    >>> box.dim, box.names, box.columns("t")
    (21, ('x', 't'), (20,))
    """

    def __init__(self, **coordinates):
        if not coordinates:
            raise TypeError("Box: expected at least one coordinate, such as x=(0, 1), got none")
        self.coordinates = {name: _coordinate(name, given) for name, given in coordinates.items()}
        self.names = tuple(self.coordinates)
        ends = np.cumsum([one.dim for one in self.coordinates.values()]).tolist()
        self._columns = {
            name: tuple(range(end - one.dim, end)) for (name, one), end in zip(self.coordinates.items(), ends)
        }
        self.dim = ends[-1]

    def columns(self, name: str) -> tuple[int, ...]:
        """Columns of the points (n, dim) that are this coordinate."""
        if name not in self._columns:
            raise ValueError(f"coordinate: expected one of {', '.join(self.names)}, got {name!r}")
        return self._columns[name]

    def __repr__(self):
        return f"Box({', '.join(f'{name}={one}' for name, one in self.coordinates.items())})"


def _coordinate(name, given):
    if isinstance(given, Normal | Cube):
        return given
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise TypeError(f"{name}: expected (low, high), (low, high, dimensions) or Normal, got {given!r}")
    low, high = check_finite(name, given[0]), check_finite(name, given[1])
    if not low < high:
        raise ValueError(f"{name}: expected low < high, got {given!r}")
    return Cube(low, high, check_count(f"dimensions of {name}", given[2]) if len(given) == 3 else 1)
