# SPDX-License-Identifier: MIT
"""CGE: coordinate-wise gradient estimation, dense or of a share of the coordinates: random, or one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import NamedTuple

import numpy as np

from bpfree import rng
from bpfree.engines.probes import probe_rows
from bpfree.errors import check_choice, check_count, check_share_of_all
from bpfree.estimators import masks
from bpfree.estimators.device import Device
from bpfree.estimators.differences import Differences
from bpfree.estimators.table import Estimator, EstimatorRow
from bpfree.native.structs import Array, Struct
from bpfree.schedules.table import Schedule, check_radius

ORDERS = ("random", "cyclic")

_NEARLY_1 = 1 - 2.0**-20
"""So that a third, rounded, is a third."""


_FEW, _SPARSE = 64, 8
"""Elements, and d over n, that a device keeps: of `coordinates.h`."""


class Stratum(NamedTuple):
    """Elements [first, first + size) of theta, `count` of which are probed by the permutation of this number."""

    number: int
    first: int
    size: int
    count: int


class Coordinates(Estimator):
    """A share of the coordinates of theta: `fraction` of them, others every `mask_refresh` steps."""

    direction = "coordinate"
    mask_refresh = 1
    order = "random"

    def parts(self, graph) -> tuple[Stratum, ...]:
        """What is drawn from, in the record's order: all of theta."""
        d = graph.n_theta
        cycle = self.cycle(graph)
        return (Stratum(0, 0, d, ceil(d / cycle) if cycle else max(1, round(float(self.fraction) * d))),)

    def cycle(self, graph) -> int:
        """Draws in which every coordinate is probed once, ceil(1 / fraction), but d at most; 0 in random order."""
        return min(graph.n_theta, ceil(_NEARLY_1 / float(self.fraction))) if self.order == "cyclic" else 0

    def record_shape(self, graph) -> tuple[int, int]:
        """(1, n)."""
        return 1, sum(part.count for part in self.parts(graph))

    def coordinates(self, graph, seed: int, step: int) -> np.ndarray:
        """Elements of theta (n,) probed at a step, part after part: its number i is the k with P(k) = i.

        In cyclic order the k with P(k) = start + i; the last blocks of a cycle have one less where d is no multiple.
        """
        parts, draw, steps = self.parts(graph), step // self.mask_refresh, self.cycle(graph)
        if not steps:
            return _coordinates(parts, seed, draw)
        cycle, block = divmod(draw, steps)
        least, larger = divmod(graph.n_theta, steps)
        own = parts[0]._replace(count=least + (block < larger))
        return _coordinates((own,), seed, cycle, block * least + min(block, larger))

    def gradient(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """g (n_theta,): each coefficient at its coordinate, 0 elsewhere."""
        gradient, elements = np.zeros(graph.n_theta, coefficients.dtype), self.coordinates(graph, seed, step)
        gradient[elements] = coefficients[0, : len(elements)]
        return gradient


@dataclass(frozen=True)
class CGE(Coordinates, Differences):
    """Coordinate-wise gradient estimation (Kiefer and Wolfowitz, 1952; sparse: Chen et al., DeepZero, ICLR 2024).

    two-sided: g_k = [L(theta + mu e_k) - L(theta - mu e_k)] / (2 mu),   2 n evaluations
    one-sided: g_k = [L(theta + mu e_k) - L(theta)] / mu,                n + 1 evaluations

    fraction: the share of the d trainable coordinates that is *probed*,
    n = max(1, round(fraction d)), others have g_k = 0. Which ones is drawn anew
    every `mask_refresh` steps, by a keyed permutation - a mask is (seed, step
    // mask_refresh) and never stored - so E[g] = fraction * gradient; `rescale`
    multiplies by d / n, and then E[g] is the gradient. With fraction 1 nothing
    is random: g is the gradient up to O(mu^2) (two-sided, smooth losses; across kinks of
    ReLU it is off by about sqrt(mu) / 5, 2 % at mu = 2^-7 on MLP 64-32-10).

    order: "random", as above, or "cyclic": the coordinates are shuffled, by (seed,
    cycle), and probed block after block, each once in a cycle of C = ceil(1 / fraction)
    draws (d at most). Blocks have n = ceil(d / C) coordinates, the last ones one less
    where d is no multiple; `rescale` multiplies by C. :class:`bpfree.Stale` as the first
    link of the update uses what the other blocks said again. With ratios None only:
    tensors of different densities would need cycles of different lengths.

    ratios: where in the network the n lie. None: anywhere, drawn from all
    coordinates together. Else n_s are drawn in each parameter tensor s of size
    d_s, their densities n_s / d_s in these ratios, full tensors aside and at
    least one where the ratio is not 0: "uniform", equal densities; "erk",
    sum(shape) / prod(shape); or a number for each trainable tensor, such as
    :func:`bpfree.layer_ratios` gives. Then E[g] = n_s / d_s * gradient in tensor s,
    and `rescale` multiplies by d_s / n_s. Weights stay dense.

    The record of a step is its n coefficients, shape (1, n), with ratios tensor
    after tensor. Black-box tier: only losses are looked at. The engines of a
    computer compute of each probe no more than its coordinate changes of a pass that
    they keep, with the same bits; a device runs whole passes.

    Differs from DeepZero in: 1. differences are two-sided unless it is asked otherwise;
    2. a mask is made again where it is needed, also on a device, and not kept; 3. a
    probe leaves theta as it was, bit for bit, where its released code does not.

    >>> import bpfree as bf
    >>> graph = bf.Sequential(3, [bf.Linear(2)]).graph
    >>> CGE(fraction=0.5).record_shape(graph), CGE(fraction=0.5).evaluations(graph)
    ((1, 4), 8)
    >>> [part.count for part in CGE(fraction=0.5, ratios=(1.0, 0.5)).parts(graph)]
    [3, 1]
    """

    fraction: float = 1.0
    mu: float | Schedule = 2.0**-10
    two_sided: bool = True
    rescale: bool = False
    mask_refresh: int = 1
    ratios: str | tuple[float, ...] | None = None
    order: str = "random"

    may_lose = True

    def __post_init__(self):
        check_share_of_all("fraction", self.fraction)
        check_radius("mu", self.mu)
        check_choice("two_sided", self.two_sided, (True, False))
        check_choice("rescale", self.rescale, (True, False))
        check_count("mask_refresh", self.mask_refresh, 1, 2**32 - 1)
        object.__setattr__(self, "ratios", masks.check_ratios(self.ratios))
        if self.ratios is not None and self.fraction == 1:
            raise ValueError("fraction: expected less than 1 with ratios, which say where that share lies, got 1")
        if check_choice("order", self.order, ORDERS) == "cyclic" and self.fraction == 1:
            raise ValueError("fraction: expected less than 1 with order='cyclic', got 1, which is all in every step")
        if self.order == "cyclic" and self.ratios is not None:
            what = "where all coordinates are probed equally often"
            raise ValueError(f"ratios: expected None with order='cyclic', {what}, got {self.ratios!r}")

    @property
    def coefficients_are(self) -> str:
        """What a step's coefficients are: partial derivatives, which `rescale` makes longer."""
        return "scaled" if self.rescale else "partials"

    def parts(self, graph) -> tuple[Stratum, ...]:
        """What is drawn from, in the record's order: all of theta, or with ratios each trainable tensor.

        Raises ValueError where ratios are not those of this graph.
        """
        if self.ratios is None:
            return super().parts(graph)
        ((*_, n),) = super().parts(graph)
        own = [(number, part) for number, part in enumerate(graph.slices) if not part.frozen]
        probed = masks.counts(self.ratios, [part for _, part in own], n)
        return tuple(Stratum(k, part.offset, part.size, count) for (k, part), count in zip(own, probed, strict=True))

    def factor(self, graph) -> float:
        """1, or d / n, or C; with ratios that is a factor of each tensor, which `scales` has."""
        if not self.rescale or self.ratios is not None:
            return 1.0
        ((*_, d, n),) = self.parts(graph)
        return float(self.cycle(graph)) or d / n

    def count_moves(self, flow) -> dict:
        """What is drawn in each tensor; without ratios on average, by its share in all coordinates."""
        parts, cycle, counts = self.parts(flow.graph), self.cycle(flow.graph), {}
        drawn = {part.number: part.count for part in parts}
        for number, part in enumerate(flow.graph.slices):
            n = 0 if part.frozen else drawn.get(number, 0)
            if not part.frozen and self.ratios is None:
                n = part.size / (cycle or parts[0].size / parts[0].count)
            if n:
                moved = flow.moved(number)
                counts[moved] = counts.get(moved, 0) + n
        return counts

    def as_record(self, graph, seed: int, step: int, quotients) -> np.ndarray:
        """The record (1, n), with ratios times their tensors' scales; a block of one less has 0 behind its own."""
        record = np.zeros(self.record_shape(graph), quotients.dtype)
        record[0, : quotients.size] = quotients * self.scales(graph)
        return record

    def scales(self, graph):
        """1, or with ratios and `rescale` d_s / n_s of each coefficient's tensor, float32."""
        if self.ratios is None or not self.rescale:
            return np.float32(1)
        parts = self.parts(graph)
        return np.repeat([self.scale(part) for part in parts], [part.count for part in parts]).astype(np.float32)

    def means(self, graph) -> np.ndarray:
        """With `rescale` the number of the tensor, or 0, as d / n times the sum of n derivatives is a mean; else -1."""
        counts = [part.count for part in self.parts(graph)]
        return np.repeat(np.arange(len(counts)) if self.rescale else np.full(len(counts), -1), counts)

    def scale(self, part: Stratum) -> float:
        """d_s / n_s, or 1 without `rescale`."""
        return part.size / part.count if self.rescale and part.count else 1.0

    def points(self, graph, seed: int, step: int) -> np.ndarray:
        """Probes of one element of theta each."""
        elements = self.coordinates(graph, seed, step)
        return probe_rows(len(elements), self.direction, seed, step, element=elements)


@lru_cache(maxsize=2)
def _coordinates(parts: tuple[Stratum, ...], seed: int, draw: int, start: int = 0) -> np.ndarray:
    # Asked for twice a step, for the probes and for the gradient.
    drawn = [part.first + _drawn(seed, draw, part, start) for part in parts]
    elements = drawn[0] if len(drawn) == 1 else np.concatenate(drawn)
    elements.flags.writeable = False
    return elements


def _drawn(seed: int, draw: int, part: Stratum, start: int) -> np.ndarray:
    """The elements of a part at places [start, start + count) of a draw; as they are where all are probed."""
    places = np.arange(start, start + part.count, dtype=np.uint32)
    if part.count == part.size:
        return places
    return rng.shuffle(seed, draw, part.size, places, rng.Domain.MASK, part.number, inverse=True)


class KeepsPlaces(Device):
    """A device keeps the elements that it probes beside their coefficients, where they are few: 64, or d / 8."""

    def work(self, estimator, graph, batch_size: int) -> int:
        """Floats of those elements and coefficients."""
        n, d = estimator.record_shape(graph)[1], graph.n_theta
        return 2 * n if n < d and n <= max(_FEW, d // _SPARSE) else 0

    def weights(self, estimator, graph) -> int:
        """Floats of the same, which `bpfree_apply` makes anew of a record."""
        return KeepsPlaces.work(self, estimator, graph, 1)


class _OnDevice(KeepsPlaces):
    def scale(self, estimator, graph) -> float:
        """Factor of every coefficient: the estimator's factor."""
        return estimator.factor(graph)

    def settings(self, estimator, graph, loss) -> Struct | None:
        """The struct with mask_refresh, cycle, and with ratios what is probed of every slice; None for the defaults."""
        rows = []
        if estimator.ratios is not None:
            rows = [{"count": 0, "scale": 1.0} for _ in graph.slices]
            for part in estimator.parts(graph):
                rows[part.number] = {"count": part.count, "scale": float(np.float32(estimator.scale(part)))}
        masks = Array("bpfree_mask", tuple(rows), tuple(part.name for part in graph.slices))
        own = {"masks": masks, "mask_refresh": estimator.mask_refresh, "cycle": estimator.cycle(graph)}
        return Struct("bpfree_cge", own) if rows or own["mask_refresh"] > 1 or own["cycle"] else None


ROW = CGE.row = EstimatorRow(
    "cge", CGE, "coordinate", tier="black-box", journal="SNAPSHOT", number=3, c="bpfree_est_cge", device=_OnDevice()
)
