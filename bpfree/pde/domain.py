# SPDX-License-Identifier: MIT
"""The domain of a PDE: named coordinates, each of them an interval, a cube or all of space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_count, check_finite, check_positive, check_unmasked

RESERVED = ("d", "domain", "grad", "grad_square", "laplacian", "value")
"""Names that have another meaning in formulas and cannot name coordinates: u.value is the value of u."""

SLACK = 1e-6
"""Share of a coordinate's length by which points may lie outside, because float32 rounds them."""


MOST_DIMENSIONS = 2**20
"""The most dimensions of a coordinate, whose columns are listed one by one."""


@dataclass(frozen=True)
class Cube:
    """A coordinate of `dim` dimensions, each of them in [low, high]."""

    low: float
    high: float
    dim: int = 1

    def __post_init__(self):
        low, high = check_finite("low", self.low), check_finite("high", self.high)
        if not low < high:
            raise ValueError(f"coordinate: expected low < high, got {self.low!r} and {self.high!r}")
        check_count("dimensions", self.dim, 1, MOST_DIMENSIONS)


@dataclass(frozen=True)
class Normal:
    """A coordinate of `dim` unbounded dimensions, whose points are drawn from N(0, scale^2)."""

    dim: int = 1
    scale: float = 1.0

    def __post_init__(self):
        check_count("dimensions", self.dim, 1, MOST_DIMENSIONS)
        check_positive("scale", self.scale)


class Box:
    """A domain of named coordinates, whose columns of points follow in the given order.

    coordinates: (low, high), (low, high, dimensions) or :class:`Normal`, by name. The coordinate t is the time for
    conditions that need one, such as Initial. Formulas use the names, as in u.x and u.xt; names that would have two
    meanings there are refused.

    >>> box = Box(x=(0, 1, 20), t=(0, 0.5))
    >>> box.dim, box.names, box.columns("t")
    (21, ('x', 't'), (20,))
    """

    def __init__(self, **coordinates):
        if not coordinates:
            raise TypeError("Box: expected at least one coordinate, such as x=(0, 1), got none")
        _check_names(coordinates)
        self.coordinates = {name: _coordinate(name, given) for name, given in coordinates.items()}
        self.names = tuple(self.coordinates)
        ends = np.cumsum([one.dim for one in self.coordinates.values()]).tolist()
        self._columns = {
            name: tuple(range(end - one.dim, end)) for (name, one), end in zip(self.coordinates.items(), ends)
        }
        self.dim = ends[-1]

    def columns(self, name: str) -> tuple[int, ...]:
        """Return the columns of points (n, dim) that belong to this coordinate."""
        if name not in self._columns:
            raise ValueError(f"coordinate: expected one of {', '.join(self.names)}, got {name!r}")
        return self._columns[name]

    def check(self, points, name: str = "points") -> np.ndarray:
        """Return points (n, dim) as an array; raise with the first that is not finite or not in the domain."""
        points = np.asarray(check_unmasked(name, points))
        if points.ndim != 2 or points.shape[1] != self.dim or not len(points):
            raise ValueError(f"{name}: expected shape (n, {self.dim}), got {points.shape}")
        bad = ~np.isfinite(points).all(axis=1)
        if bad.any():
            raise ValueError(f"{name}: expected finite numbers, got {points[bad][0].tolist()} at {bad.argmax()}")
        for coordinate, one in self.coordinates.items():
            if isinstance(one, Cube):
                own, slack = points[:, self._columns[coordinate]], SLACK * (one.high - one.low)
                outside = ((own < one.low - slack) | (own > one.high + slack)).any(axis=1)
                if outside.any():
                    expected = f"{coordinate} in [{one.low:g}, {one.high:g}]"
                    raise ValueError(f"{name}: expected {expected}, got {own[outside][0].tolist()}")
        return points

    def point(self, at) -> np.ndarray:
        """Return one point (1, dim) of the domain.

        at: {name: number, or one number for each dimension}, such as {"x": 0.0, "t": 0.5}, for every coordinate; or all
        numbers in the order of the columns.

        >>> Box(x=(0, 1, 3), t=(0, 1)).point({"x": 0.5, "t": 0}).tolist()
        [[0.5, 0.5, 0.5, 0.0]]
        """
        if isinstance(at, Mapping):
            if set(at) != set(self.names):
                raise ValueError(f"at: expected a number for each of {', '.join(self.names)}, got {', '.join(at)}")
            parts = [(np.asarray(at[name], float).ravel(), one.dim) for name, one in self.coordinates.items()]
            at = np.concatenate([np.repeat(part, dim) if part.size == 1 else part for part, dim in parts])
        at = np.asarray(at, float)
        if at.shape != (self.dim,):
            example = "{" + ", ".join(f'"{name}": 0.0' for name in self.names) + "}"
            raise ValueError(f"at: expected {self.dim} numbers, or {example}, got shape {at.shape}")
        return self.check(at[None], "at")

    def __repr__(self):
        return f"Box({', '.join(f'{name}={one}' for name, one in self.coordinates.items())})"


def _check_names(names):
    """Raise unless formulas can read each name, and each pair of names, in one way only."""
    for name in names:
        if name in RESERVED or name.startswith("_"):
            expected = f"a name other than {', '.join(RESERVED)} that does not begin with _"
            raise ValueError(f"coordinate: expected {expected}, got {name!r}")
    meanings = [*names, *(first + second for first in names for second in names)]
    twice = next((one for one in meanings if meanings.count(one) > 1), None)
    if twice is not None:
        raise ValueError(f"coordinates: expected names with one meaning in formulas, got two meanings of u.{twice}")


def _coordinate(name, given):
    if isinstance(given, Normal | Cube):
        return given
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise TypeError(f"{name}: expected (low, high), (low, high, dimensions) or Normal, got {given!r}")
    low, high = check_finite(name, given[0]), check_finite(name, given[1])
    if not low < high:
        raise ValueError(f"{name}: expected low < high, got {given!r}")
    return Cube(low, high, check_count(f"dimensions of {name}", given[2], 1, MOST_DIMENSIONS) if len(given) == 3 else 1)
