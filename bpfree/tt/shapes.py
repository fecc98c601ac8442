# SPDX-License-Identifier: MIT
"""Shapes of tensor-train layers: their cost, and the choice of a shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import prod

MAX_CORES = 8
"""The most cores of one layer: a bound for untrusted files, beyond any useful layer."""


@dataclass(frozen=True)
class TTShape:
    """The shape of W (prod inputs, prod outputs) in cores (ranks[k], inputs[k], outputs[k], ranks[k + 1])."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    ranks: tuple[int, ...]

    def __post_init__(self):
        d = len(self.inputs)
        if not 1 <= d <= MAX_CORES or len(self.outputs) != d or len(self.ranks) != d + 1:
            raise ValueError(
                f"TT shape: expected 1 to {MAX_CORES} cores, as many outputs as inputs and one rank more, "
                f"got inputs={self.inputs}, outputs={self.outputs}, ranks={self.ranks}"
            )
        if min(self.inputs + self.outputs + self.ranks) < 1 or self.ranks[0] != 1 or self.ranks[-1] != 1:
            raise ValueError(f"TT shape: expected sizes >= 1 and outer ranks 1, got {self}")

    @property
    def cores(self) -> list[tuple[int, int, int, int]]:
        """The shapes (r, I, O, r') of the cores."""
        return [
            (r0, i, o, r1)
            for (r0, r1), i, o in zip(pairwise(self.ranks), self.inputs, self.outputs, strict=True)
        ]

    @property
    def n_parameters(self) -> int:
        """Number of floats in all cores."""
        return sum(prod(core) for core in self.cores)

    def rank_bound(self) -> int:
        """Return an upper bound of the rank of W that uses one inner rank: max r prod_k min(I_k, O_k)."""
        mixing = prod(map(min, self.inputs, self.outputs))
        return min(max(self.ranks) * mixing, prod(self.inputs), prod(self.outputs))

    def reversed(self) -> TTShape:
        """Return the shape of the same train read from the other end."""
        return TTShape(self.inputs[::-1], self.outputs[::-1], self.ranks[::-1])

    def sweep_macs(self) -> int:
        """Return the multiply-accumulates of one left-to-right sweep for one sample."""
        macs, produced, rest = 0, 1, prod(self.inputs)
        for r0, i, o, r1 in self.cores:
            rest //= i
            macs += produced * (r0 * i) * (o * r1) * rest
            produced *= o
        return macs

    def sweep_buffers(self) -> tuple[int, int]:
        """Return the floats per sample of the two intermediates of a sliced left-to-right sweep.

        The sweep finishes one value of the first output index before it begins the
        next, so the size of that index does not count.
        """
        sizes, produced, rest = [0, 0], 1, prod(self.inputs)
        for k, (_, i, o, r1) in enumerate(self.cores[:-1]):
            rest //= i
            produced *= o if k else 1
            sizes[k % 2] = max(sizes[k % 2], produced * r1 * rest)
        return sizes[0], sizes[1]

    def moves_macs(self, cut: int) -> int:
        """Return the multiply-accumulates of contracting one sample with all cores but one, for each such core.

        Cores before `cut` use the intermediates of a sweep from the right, the others those of a sweep from the left.
        """
        macs, cores, d = 0, self.cores, len(self.cores)
        for k in range(d) if cut < d else ():
            before, rest = prod(self.outputs[:k]), self.inputs[k + 1 :]
            rows = before * self.ranks[k] * self.inputs[k]
            if k >= cut:
                for j in range(k + 1, d):
                    macs += rows * prod(self.inputs[k + 1 : j]) * prod(cores[j]) * prod(self.outputs[j + 1 :])
            macs += before * prod(cores[k]) * prod(rest) if k + 1 < d else 0
        for k in range(d) if cut else ():
            after = prod(self.outputs[k + 1 :])
            if k < cut:
                for j in range(k):
                    columns = prod(self.inputs[j + 1 : k + 1]) * self.ranks[k + 1] * after
                    macs += prod(self.outputs[:j]) * prod(cores[j]) * columns
            macs += prod(self.inputs[:k]) * prod(cores[k]) * after if k else 0
        return macs

    def cheapest_cut(self) -> tuple[int, int]:
        """Return the cheapest cut of `moves_macs`, and its multiply-accumulates."""
        macs, cut = min((self.moves_macs(cut), cut) for cut in range(len(self.cores) + 1))
        return cut, macs

    def cheaper_sweep(self) -> Sweep:
        """Return the cheaper of the two sweeps, whose multiply-accumulates differ by a factor of up to 23."""
        left, right = self.sweep_macs(), self.reversed().sweep_macs()
        return Sweep("left", left) if left <= right else Sweep("right", right)


@dataclass(frozen=True)
class Sweep:
    """The end where a contraction starts, "left" or "right", and its multiply-accumulates per sample."""

    start: str
    macs: int


def uniform_ranks(inputs, outputs, rank: int) -> tuple[int, ...]:
    """Return ranks whose inner ones are `rank`, but never more than the rank of the unfolding at that place."""
    sizes = [i * o for i, o in zip(inputs, outputs, strict=True)]
    return (1, *(min(rank, prod(sizes[:k]), prod(sizes[k:])) for k in range(1, len(sizes))), 1)


@lru_cache(maxsize=256)
def factorisations(number: int, count: int) -> tuple[tuple[int, ...], ...]:
    """Return all ordered ways to write `number` as a product of `count` factors >= 1."""
    if count == 1:
        return ((number,),)
    return tuple(
        (first, *rest)
        for first in range(1, number + 1)
        if number % first == 0
        for rest in factorisations(number // first, count - 1)
    )


def _balanced(number: int, count: int, most: int = 48):
    # Unequal factors waste parameters, so only the factorisations with the least sums are kept.
    return sorted(factorisations(number, count), key=lambda f: (sum(f), f))[:most]


@lru_cache(maxsize=256)
def plan_shape(inputs: int, outputs: int, rank: int, max_parameters: int | None = None) -> TTShape:
    """Choose the shape of a layer: the fewest MACs among the shapes within a budget of parameters.

    Candidates have 2 to 4 cores and balanced ordered factorisations of both
    widths; the input width may be padded with zeros to a multiple of 4 or 16,
    because a prime width has no factors. Only candidates whose W can have full
    rank are kept: a core with one input or one output passes little information
    on, and a train of such cores is a plain low-rank product. The default budget
    is 1.5 times the fewest parameters of any candidate.

    >>> shape = plan_shape(64, 32, rank=4)
    >>> shape.n_parameters, shape.rank_bound()
    (224, 32)
    """
    candidates = {
        TTShape(i, o, uniform_ranks(i, o, rank))
        for count in (2, 3, 4)
        for width in {inputs, -(-inputs // 4) * 4, -(-inputs // 16) * 16}
        for i in _balanced(width, count)
        for o in _balanced(outputs, count)
    }
    fullest = max(min(shape.rank_bound(), inputs) for shape in candidates)
    candidates = [shape for shape in candidates if shape.rank_bound() >= fullest]
    fewest = min(shape.n_parameters for shape in candidates)
    budget = fewest * 3 // 2 if max_parameters is None else max_parameters
    if budget < fewest:
        raise ValueError(
            f"max_parameters: expected at least {fewest} for {inputs} x {outputs} at rank {rank}, got {max_parameters}"
        )
    within = [shape for shape in candidates if shape.n_parameters <= budget]
    return min(within, key=lambda s: (s.cheaper_sweep().macs, s.n_parameters, s.inputs, s.outputs))
