# SPDX-License-Identifier: MIT
"""Probes: points around theta, addressed by (seed, step, query) and never stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bpfree import rng
from bpfree.directions import DIRECTIONS, direction_of
from bpfree.directions.table import Direction
from bpfree.errors import check_count, check_seed


@dataclass(frozen=True)
class Probe:
    """One point theta + mu u to evaluate the loss at; mu = 0 is theta itself.

    u is addressed, not stored: key (seed, step), this query's numbers. It moves elements
    [first, first + count) of theta, wherever slices begin and end; of the direction
    "coordinate" it is the unit vector of `element` of theta, of "hadamard" `element`
    is the row of the matrix. A direction of one's own is the row itself.
    """

    seed: int
    step: int
    query: int
    mu: float
    first: int
    count: int
    direction: str | Direction = "rademacher"
    element: int = 0


AT_THETA = Probe(0, 0, 0, 0.0, 0, 0)
"""The probe that moves nothing."""


def perturb(graph, theta, probe: Probe) -> np.ndarray:
    """A copy fl(theta + fl(mu u)), in theta's precision; theta itself is only read."""
    out = theta.copy()
    if probe.mu:
        pieces = graph.pieces(probe.first, probe.count)
        direction_of(probe.direction).move(out, pieces, theta.dtype.type(probe.mu), probe)
    return out


PROBE = np.dtype(
    [
        *(("seed", "u4"), ("step", "u4"), ("address", "u4"), ("mu", "f4"), ("first", "u4"), ("count", "u4")),
        *(("direction", "u4"), ("element", "u4")),
    ]
)
"""`bpfree_probe` of the C runtime."""


OWN_DIRECTION = 2**32 - 1
"""What stands in PROBE for a direction of one's own, which has no number; C refuses it."""


def probe_rows(n: int, direction, seed: int, step: int, query=0, **columns) -> np.ndarray:
    """Return n probes of one direction, (n,) records: what `Differences.points` gives.

    direction: its name, or a `Direction` of one's own, which is then the
    estimator's `direction` too. query: a number in [0, 4096) or an array of them;
    with seed and step it addresses u. columns: first and count, the range of theta
    that moves (all of it: first=0, count=graph.n_theta; without them nothing is),
    element, the coordinate of theta that "coordinate" moves; numbers or arrays (n,).
    Raises TypeError or ValueError for an unknown direction, and for what a field of
    a probe cannot hold.

    >>> rows = probe_rows(3, "rademacher", seed=0, step=5, query=range(3), first=0, count=10)
    >>> rows["count"].tolist(), rows["step"].tolist()
    ([10, 10, 10], [5, 5, 5])
    """
    row, table = direction_of(direction), np.zeros(check_count("n", n, 0), PROBE)
    table["seed"], table["step"] = check_seed(seed), check_seed(step, "step")
    table["direction"] = row.number if DIRECTIONS.has(row) else OWN_DIRECTION
    queries = _whole("query", query, n, _QUERIES).astype(np.uint32)
    table["address"] = np.uint32(rng.address(row.domain)) | queries << np.uint32(16)
    for name, values in columns.items():
        if name not in ("first", "count", "element", "mu"):
            raise TypeError(f"probe_rows: expected columns first, count and element, got {name!r}")
        table[name] = values if name == "mu" else _whole(name, values, n, 2**32)
    return table


def coordinates(table: np.ndarray) -> np.ndarray:
    """Which of these records move one element of theta, (n,) of truth values."""
    return table["direction"] == DIRECTIONS["coordinate"].number


_QUERIES = 2**12
"""Queries that an address has room for."""


def _whole(name: str, values, n: int, below: int) -> np.ndarray:
    """One whole number, or n of them, in [0, below); or raise naming the field, as NumPy would cut bits off."""
    numbers, expected = np.asarray(values), f"whole numbers in [0, {below})"
    if numbers.size and numbers.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected {expected}, got {values!r}")
    if numbers.shape not in ((), (n,)):
        raise ValueError(f"{name}: expected a number or {n} of them, got shape {numbers.shape}")
    if numbers.size and not (0 <= numbers.min() and numbers.max() < below):
        wrong = numbers.min() if numbers.min() < 0 else numbers.max()
        raise ValueError(f"{name}: expected {expected}, got {wrong}")
    return numbers


def check_range(points: np.ndarray, n_theta: int) -> None:
    """Raise unless every probe moves something of theta and nothing beside it; engines would differ in what they do."""
    single = coordinates(points)
    beyond = points["element"][single]
    if beyond.size and beyond.max() >= n_theta:
        raise ValueError(f"element: expected a coordinate of theta, in [0, {n_theta}), got {beyond.max()}")
    first, count = (points[name][~single].astype(np.int64) for name in ("first", "count"))
    wrong = np.flatnonzero((count < 1) | (first + count > n_theta))
    if wrong.size:
        k, ways = wrong[0], "first=0, count=graph.n_theta moves all of theta"
        got = f"first={first[k]}, count={count[k]}"
        raise ValueError(f"first, count: expected a range within [0, {n_theta}), got {got}: {ways}")


class Probes(Sequence):
    """Probes in one array of PROBE, which is what the compiled engine reads; each is made when it is looked at.

    own: the direction that OWN_DIRECTION stands for.
    """

    def __init__(self, table: np.ndarray, own: Direction | None = None):
        self.table, self.own = table, own

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, k):
        if isinstance(k, slice):
            return Probes(self.table[k], self.own)
        seed, step, address, mu, first, count, direction, element = self.table[k].item()
        row = self._own() if direction == OWN_DIRECTION else DIRECTIONS.rows[direction].name
        return Probe(seed, step, address >> 16 & 0xFFF, mu, first, count, row, element)

    def _own(self) -> Direction:
        if self.own is None:
            expected = "the estimator's `direction` to be the row that its points are made of"
            raise ValueError(f"direction: expected {expected}, got points of one's own and another direction")
        return self.own


def own_of(direction) -> Direction | None:
    """A direction that is of one's own, else None."""
    return direction if isinstance(direction, Direction) and not DIRECTIONS.has(direction) else None


def pack(probes) -> np.ndarray:
    """Probes, or Probe objects, as an array of PROBE."""
    if isinstance(probes, Probes):
        return np.ascontiguousarray(probes.table)
    table = np.zeros(len(probes), PROBE)
    for k, p in enumerate(probes):
        moved = {"mu": p.mu, "first": p.first, "count": p.count, "element": p.element}
        table[k] = probe_rows(1, p.direction, p.seed, p.step, p.query, **moved)[0]
    return table
