# SPDX-License-Identifier: MIT
"""Probes: points around theta, addressed by (seed, step, query) and never stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree import rng


@dataclass(frozen=True)
class Probe:
    """One point theta + mu u to evaluate the loss at; mu = 0 is theta itself.

    u is addressed, not stored: key (seed, step), this query's stream, the
    blocks of the slices [first_slice, first_slice + n_slices).
    """

    seed: int
    step: int
    query: int
    mu: float
    first_slice: int
    n_slices: int


def direction(part, seed: int, step: int, query: int) -> np.ndarray:
    """Signs (size,) float32 of one slice in direction `query` of a step."""
    return rng.signs(seed, step, rng.stream(rng.Domain.PROBE, query), part.first_block, part.size)


def perturb(graph, theta, probe: Probe) -> np.ndarray:
    """A copy fl(theta + fl(mu u)), in theta's precision; theta itself is only read."""
    out = theta.copy()
    if probe.mu:
        for part in graph.slices[probe.first_slice : probe.first_slice + probe.n_slices]:
            if not part.frozen:
                u = direction(part, probe.seed, probe.step, probe.query)
                out[part.range] += theta.dtype.type(probe.mu) * u.astype(theta.dtype)
    return out


RECORD = np.dtype(
    [("seed", "u4"), ("step", "u4"), ("stream", "u4"), ("mu", "f4"), ("first_slice", "u4"), ("n_slices", "u4")]
)
"""`bpfree_probe` of the C runtime."""


def pack(probes) -> np.ndarray:
    """Probes as an array of RECORD."""
    stream = rng.stream(rng.Domain.PROBE)
    rows = [(p.seed, p.step, stream | p.query << 16, p.mu, p.first_slice, p.n_slices) for p in probes]
    return np.array(rows, RECORD)
