# SPDX-License-Identifier: MIT
"""Hybrid: coordinates on small tensors and random directions on large ones, in one step of a given cost."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from bpfree.directions import hadamard
from bpfree.engines.probes import probe_rows
from bpfree.errors import check_choice, check_count
from bpfree.estimators.device import Device
from bpfree.estimators.differences import Differences
from bpfree.estimators.rge import combine
from bpfree.estimators.table import EstimatorRow
from bpfree.schedules.table import Schedule, check_radius


@dataclass(frozen=True)
class Hybrid(Differences):
    """CGE on the small tensors and RGE on the large ones, n_queries probes a step in all.

    Each parameter tensor t of d_t elements gets q_t >= 1 probes of its own, the
    others staying at theta, sum q_t = n_queries. With q_t = d_t they are its
    coordinates, and its part of g is the gradient up to O(mu^2):
        g_k = [L(theta + mu e_k) - L(theta - mu e_k)] / (2 mu)
    With fewer they are rows u_i of a random-sign Hadamard matrix, as in RGE:
        g_t = 1/q_t sum_i [L(theta + mu u_i) - L(theta - mu u_i)] / (2 mu) u_i
    So E[g] is the gradient, up to O(mu^2), or O(mu) one-sided, kinks of ReLU aside.

    The probes are shared out so that the noise of g, sum_t (d_t / q_t - 1) |grad_t|^2,
    is least when all tensors have gradients of equal length, which is what can
    be assumed before anything is measured: each next probe goes where
    d_t / (q_t (q_t + 1)) is largest, so that q_t is near to sqrt(d_t) times a
    constant until it is d_t. RGE on all parameters at once has noise
    (d - 1) / n_queries |grad|^2, which is never less under that assumption.

    n_queries: two-sided 2 n_queries evaluations a step, one-sided n_queries + 1;
    at least one a tensor; as many as there are parameters is full CGE, and more
    are not used. At most 65,536. Record of a step: its n_queries coefficients.
    Black-box tier.

    Differs from published hybrid training, which turns from random directions to
    coordinates in the course of a run (:func:`bpfree.hybrid_switch`): here both are in
    every step, each where it is worth its probes.

    >>> import bpfree as bf
    >>> graph = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)]).graph
    >>> Hybrid(n_queries=100).allocation(graph)
    {'linear1.weight': 63, 'linear1.bias': 8, 'linear3.weight': 25, 'linear3.bias': 4}
    """

    n_queries: int = 64
    mu: float | Schedule = 2.0**-10
    two_sided: bool = True

    direction = "hadamard"
    coefficients_are = "mixed"
    may_lose = True

    def __post_init__(self):
        check_count("n_queries", self.n_queries, 1, 65536)
        check_radius("mu", self.mu)
        check_choice("two_sided", self.two_sided, (True, False))

    def allocation(self, graph) -> dict[str, int]:
        """Probes of each trainable tensor, by name; as many as it has elements are its coordinates."""
        return {part.name: q for part, q in self._shares(graph)}

    def _shares(self, graph) -> list:
        parts = graph.trainable
        if self.n_queries < len(parts):
            expected = f"at least one for each of the {len(parts)} parameter tensors"
            raise ValueError(f"n_queries: expected {expected}, got {self.n_queries}")
        return list(zip(parts, _share_out(tuple(part.size for part in parts), self.n_queries), strict=True))

    def record_shape(self, graph) -> tuple[int, int]:
        """(1, n): n_queries, or d where that is less."""
        return 1, sum(q for _, q in self._shares(graph))

    def averages(self, graph) -> np.ndarray:
        """Directions are averaged over their tensor's, coordinates are not."""
        return np.concatenate([np.full(q, 1 if q == part.size else q) for part, q in self._shares(graph)])

    def means(self, graph) -> np.ndarray:
        """The number of the tensor where directions are averaged, -1 where coordinates stand for themselves."""
        shares = enumerate(self._shares(graph))
        return np.concatenate([np.full(q, -1 if q == part.size else k) for k, (part, q) in shares])

    def points(self, graph, seed: int, step: int) -> np.ndarray:
        """Tensor by tensor."""
        made = []
        for part, q in self._shares(graph):
            if q == part.size:
                elements = np.arange(part.offset, part.offset + q, dtype=np.uint32)
                made.append(probe_rows(q, "coordinate", seed, step, element=elements))
            else:
                rows = hadamard.rows(part.size, seed, step, np.arange(q))
                made.append(probe_rows(q, "hadamard", seed, step, element=rows, first=part.offset, count=part.size))
        return np.concatenate(made)

    def gradient(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """g (n_theta,): coefficients at their coordinates, and sums of directions."""
        gradient, first = np.zeros(graph.n_theta, coefficients.dtype), 0
        for part, q in self._shares(graph):
            own = coefficients[0, first : first + q]
            if q == part.size:
                gradient[part.range] = own
            else:
                queries = np.arange(q)
                addresses = np.zeros_like(queries), hadamard.rows(part.size, seed, step, queries)
                combine(gradient, self.direction, graph.pieces(part.offset, part.size), seed, step, own, *addresses)
            first += q
        return gradient


@lru_cache(maxsize=16)
def _share_out(sizes: tuple, n: int) -> tuple:
    """q of each tensor: one each, then one by one to the largest d / (q (q + 1)), the first of equals."""
    shares = [1] * len(sizes)
    heap = [(-Fraction(d, 2), k) for k, d in enumerate(sizes) if d > 1]
    heapq.heapify(heap)
    for _ in range(n - len(sizes)):
        if not heap:
            break
        _, k = heapq.heappop(heap)
        shares[k] += 1
        if shares[k] < sizes[k]:
            heapq.heappush(heap, (-Fraction(sizes[k], shares[k] * (shares[k] + 1)), k))
    return tuple(shares)


class _OnDevice(Device):
    """Signs are put on as parameters are read, on both sides at once."""

    def wants(self, estimator) -> frozenset[str]:
        """Kernels that perturb what they read, by rows of a Hadamard matrix."""
        return frozenset({"BPFREE_PROBE_ON_READ", "BPFREE_HADAMARD_ROWS"})

    def sides(self, estimator) -> int:
        """Copies of the activations: two where one pass computes both sides."""
        return 2 if estimator.two_sided else 1

    def work(self, estimator, graph, batch_size: int) -> int:
        """Floats for the number of probes of each tensor, and on replay the row and the weight of every probe."""
        return len(graph.slices) + 2 * estimator.record_shape(graph)[1]

    def weights(self, estimator, graph) -> int:
        """Floats of that work, all of which is made of the coefficients."""
        return self.work(estimator, graph, 1)


ROW = Hybrid.row = EstimatorRow(
    "hybrid", Hybrid, "hadamard", tier="black-box", journal="SCALARS", number=8, c="bpfree_est_hybrid",
    device=_OnDevice(),
)  # fmt: skip
