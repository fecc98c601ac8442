# SPDX-License-Identifier: MIT
"""CGE: coordinate-wise gradient estimation, dense or of a fresh random share of the coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bpfree import rng
from bpfree.errors import check_choice, check_share_of_all
from bpfree.estimators.table import Estimator, EstimatorRow
from bpfree.probes import records
from bpfree.schedules.table import Schedule, check_radius


class Coordinates(Estimator):
    """A share of the coordinates of theta, drawn anew every step: `fraction` of them."""

    direction = "coordinate"

    def record_shape(self, graph) -> tuple[int, int]:
        """(1, n)."""
        return 1, max(1, round(float(self.fraction) * graph.n_theta))

    def coordinates(self, graph, seed: int, step: int) -> np.ndarray:
        """Elements of theta (n,) probed at a step: number i is the k with P(k) = i; all in order if n = d."""
        d, (_, n) = graph.n_theta, self.record_shape(graph)
        return np.arange(d, dtype=np.uint32) if n == d else _order(seed, step, d)[:n]

    def gradient(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """g (n_theta,): each coefficient at its coordinate, 0 elsewhere."""
        gradient = np.zeros(graph.n_theta, coefficients.dtype)
        gradient[self.coordinates(graph, seed, step)] = coefficients[0]
        return gradient


@dataclass(frozen=True)
class CGE(Coordinates):
    """Coordinate-wise gradient estimation (Kiefer and Wolfowitz, 1952; sparse: Chen et al., DeepZero, ICLR 2024).

    two-sided: g_k = [L(theta + mu e_k) - L(theta - mu e_k)] / (2 mu),   2 n evaluations
    one-sided: g_k = [L(theta + mu e_k) - L(theta)] / mu,                n + 1 evaluations

    fraction: the share of the d trainable coordinates that is *probed*,
    n = max(1, round(fraction d)), others have g_k = 0. Which ones is drawn anew every step, by a keyed
    permutation, so E[g] = fraction * gradient; `rescale` multiplies by d / n,
    and then E[g] is the gradient. With fraction 1 nothing is random: g is the
    gradient up to O(mu^2) (two-sided).

    The record of a step is its n coefficients, shape (1, n). Black-box tier:
    only losses are looked at.

    >>> import bpfree as bf
    >>> graph = bf.Sequential(3, [bf.Linear(2)]).graph
    >>> CGE(fraction=0.5).record_shape(graph), CGE(fraction=0.5).evaluations(graph)
    ((1, 4), 8)
    """

    fraction: float = 1.0
    mu: float | Schedule = 2.0**-7
    two_sided: bool = True
    rescale: bool = False

    def __post_init__(self):
        check_share_of_all("fraction", self.fraction)
        check_radius("mu", self.mu)
        check_choice("two_sided", self.two_sided, (True, False))
        check_choice("rescale", self.rescale, (True, False))

    def factor(self, graph) -> float:
        """1, or d / n."""
        return graph.n_theta / self.record_shape(graph)[1] if self.rescale else 1.0

    def points(self, graph, seed: int, step: int) -> np.ndarray:
        """One element of theta each."""
        elements = self.coordinates(graph, seed, step)
        return records(len(elements), self.direction, seed, step, element=elements)


@lru_cache(maxsize=2)
def _order(seed: int, step: int, d: int) -> np.ndarray:
    # Asked for twice a step, for the probes and for the gradient.
    everything = np.arange(d, dtype=np.uint32)
    order = np.empty_like(everything)
    order[rng.shuffle(seed, step, d, everything, rng.Domain.MASK)] = everything
    order.flags.writeable = False
    return order


ROW = EstimatorRow(3, "cge", "bpfree_est_cge", CGE, "coordinate", journal="SNAPSHOT", tier="black-box")
