# SPDX-License-Identifier: MIT
"""Probes: points around theta, addressed by (seed, step, query) and never stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bpfree import rng
from bpfree.directions import DIRECTIONS


@dataclass(frozen=True)
class Probe:
    """One point theta + mu u to evaluate the loss at; mu = 0 is theta itself.

    u is addressed, not stored: key (seed, step), this query's numbers. It moves elements
    [first, first + count) of theta, wherever slices begin and end; of the direction
    "coordinate" it is the unit vector of `element` of theta, of "hadamard" `element`
    is the row of the matrix.
    """

    seed: int
    step: int
    query: int
    mu: float
    first: int
    count: int
    direction: str = "rademacher"
    element: int = 0


AT_THETA = Probe(0, 0, 0, 0.0, 0, 0)
"""The probe that moves nothing."""


def perturb(graph, theta, probe: Probe) -> np.ndarray:
    """A copy fl(theta + fl(mu u)), in theta's precision; theta itself is only read."""
    out = theta.copy()
    if probe.mu:
        pieces = graph.pieces(probe.first, probe.count)
        DIRECTIONS[probe.direction].move(out, pieces, theta.dtype.type(probe.mu), probe)
    return out


PROBE = np.dtype(
    [
        *(("seed", "u4"), ("step", "u4"), ("address", "u4"), ("mu", "f4"), ("first", "u4"), ("count", "u4")),
        *(("direction", "u4"), ("element", "u4")),
    ]
)
"""`bpfree_probe` of the C runtime."""


def probe_rows(n: int, direction: str, seed: int, step: int, query=0, **columns) -> np.ndarray:
    """n rows of PROBE, of one direction; query and the other columns are numbers or arrays (n,)."""
    row, table = DIRECTIONS[direction], np.zeros(n, PROBE)
    table["seed"], table["step"], table["direction"] = seed, step, row.number
    table["address"] = np.uint32(rng.address(row.domain)) | np.asarray(query, np.uint32) << np.uint32(16)
    for name, values in columns.items():
        table[name] = values
    return table


class Probes(Sequence):
    """Probes in one array of PROBE, which is what the compiled engine reads; each is made when it is looked at."""

    def __init__(self, table: np.ndarray):
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, k):
        if isinstance(k, slice):
            return Probes(self.table[k])
        seed, step, address, mu, first, count, direction, element = self.table[k].item()
        return Probe(seed, step, address >> 16 & 0xFFF, mu, first, count, DIRECTIONS.rows[direction].name, element)


def pack(probes) -> np.ndarray:
    """Probes, or Probe objects, as an array of PROBE."""
    if isinstance(probes, Probes):
        return np.ascontiguousarray(probes.table)
    table = np.zeros(len(probes), PROBE)
    for k, p in enumerate(probes):
        moved = {"mu": p.mu, "first": p.first, "count": p.count, "element": p.element}
        table[k] = probe_rows(1, p.direction, p.seed, p.step, p.query, **moved)[0]
    return table
