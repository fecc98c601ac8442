# SPDX-License-Identifier: MIT
"""Feature reuse: which nodes a probe makes run again, and which activations are worth keeping for that.

A probe that moves parameters of some nodes changes those and what they feed,
nothing else. So a batch is passed through once at theta, some tensors of that
pass are kept, and each probe runs only what it changes (Chen et al., DeepZero,
ICLR 2024, for layers in a row) - and what it reads that was not kept. A probe
of one entry runs only the elements that it changes (:mod:`bpfree.engines.ripples`),
where there is room for all of a pass and that costs less.

Sets of nodes are numbers: bit k is node k, and the tensor it makes.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bpfree.engines.cost import graph_macs, node_macs
from bpfree.engines.probes import coordinates
from bpfree.engines.ripples import Ripples

_NOTHING = 0
"""The code of a range without elements."""


class Moved(NamedTuple):
    """What a probe moves. changed: nodes that depend on it. slice: that of its only entry, if it has a ripple."""

    changed: int
    slice: int | None = None


class Kept(NamedTuple):
    """What is kept for some probes, and what they cost.

    tensors: those that probes of whole nodes start from, as a set of nodes. macs: all probes' for one sample, with
    passes at theta. ripples: is a pass kept besides, from which ripples start?
    """

    tensors: int
    macs: int
    ripples: bool = False


class Flow:
    """What depends on what in a graph."""

    def __init__(self, graph):
        made = {node.output: 1 << k for k, node in enumerate(graph.nodes)}
        self.graph, self.macs = graph, node_macs(graph)
        self.sizes = [graph.tensors[node.output].size for node in graph.nodes]
        self._sources = [sum({made.get(tensor, 0) for tensor in node.inputs}) for node in graph.nodes]
        self._fed = [1 << k for k in range(len(graph.nodes))]
        for k in reversed(range(len(graph.nodes))):
            for source in members(self._sources[k]):
                self._fed[source] |= self._fed[k]
        owners = {}
        for k, node in enumerate(graph.nodes):
            owners.update(dict.fromkeys(node.slices, self._fed[k]))
        self._fed_by = [owners.get(k, 0) for k in range(len(graph.slices))]
        self._codes = np.array([*(_code(part.offset, part.size) for part in graph.slices), _NOTHING], np.uint64)
        self._unit = graph_macs(graph) if any(self.macs) else 0
        self.ripples = Ripples(graph)
        self.run, self.base, self._decoded, self._chosen = map(
            lru_cache(maxsize=4096), (self._run, self._base, self._decode, self._choose)
        )

    def changed(self, first: int, count: int) -> int:
        """Nodes whose output depends on elements [first, first + count) of theta."""
        result = 0
        for number in self.graph.slice_numbers([piece.offset for piece in self.graph.pieces(first, count)]):
            result |= self._fed_by[number]
        return result

    def moved(self, number: int) -> Moved:
        """What probes of single entries of a trainable slice move, by its number."""
        return Moved(self._fed_by[number], number if number in self.ripples.begins else None)

    def moves(self, table) -> list[Moved]:
        """Return what each of these records (`bpfree_probe`) moves, in order."""
        return [self._moved(*key) for key in self._keys(table)]

    def count(self, table) -> Counter:
        """Return how many of these records move what."""
        counts = Counter()
        for key, n in Counter(self._keys(table)).items():
            counts[self._moved(*key)] += n
        return counts

    def _keys(self, table) -> list[tuple[int, int]]:
        """Ranges of theta as codes, with the slice of a single entry or -1: records of one key move the same."""
        codes = _code(table["first"].astype(np.uint64), table["count"])
        own = coordinates(table)
        codes[own] = self._codes[self.graph.slice_numbers(table["element"][own])]
        codes[table["mu"] == 0] = _NOTHING
        return list(zip(codes.tolist(), self.ripples.slices(table).tolist(), strict=True))

    def _moved(self, code: int, number: int) -> Moved:
        return Moved(self._decoded(code), number if code and number >= 0 else None)

    def rippling(self, table) -> np.ndarray:
        """Which of these records run along a ripple, or are theta itself."""
        return (self.ripples.slices(table) >= 0) | (table["mu"] == 0)

    def _decode(self, code):
        return self.changed(*divmod(code, 1 << 32))

    def _run(self, changed: int, tensors: int) -> int:
        """Nodes that run for the output where these are changed and these tensors were kept."""
        wanted, result = 1 << len(self._sources) - 1, 0
        for k in reversed(range(len(self._sources))):
            if wanted >> k & 1 and (changed >> k & 1 or not tensors >> k & 1):
                result |= 1 << k
                wanted |= self._sources[k]
        return result

    def _base(self, tensors: int) -> int:
        """Nodes of the pass at theta that fills these tensors."""
        result = tensors
        for k in reversed(range(len(self._sources))):
            if result >> k & 1:
                result |= self._sources[k]
        return result

    def read(self, changed: int) -> int:
        """Tensors that what is changed, or else the output, is made of: all that can be worth keeping for it."""
        everything = (1 << len(self._sources)) - 1
        wanted = 1 << len(self._sources) - 1
        for k in members(self.run(changed, everything)):
            wanted |= self._sources[k]
        return wanted & ~changed

    def floats(self, tensors: int) -> int:
        """Size of these tensors, for one sample."""
        return sum(self.sizes[k] for k in members(tensors))

    def cost(self, counts, tensors: int) -> int:
        """Multiply-accumulates of all probes for one sample, with the pass that fills the kept tensors."""
        return self._sum(self.macs, counts, tensors)

    def _sum(self, weights, counts, tensors):
        total = sum(weights[k] for k in members(self.base(tensors)))
        for (changed, _), n in counts.items():
            total += n * sum(weights[k] for k in members(self.run(changed, tensors)))
        return total

    def choose(self, counts, room: float) -> Kept:
        """What to keep in `room` floats a sample so that so many probes of each kind (`Moved`) cost the least."""
        return self._chosen(tuple(counts.items()), room)

    def _choose(self, items, room):
        counts = dict(items)
        nodes = self._keep_for_nodes(counts, room)
        along = {moved: n for moved, n in counts.items() if moved.slice is not None or not moved.changed}
        if self.ripples.floats > room or not any(moved.changed for moved in along):
            return nodes
        rest = {moved: n for moved, n in counts.items() if moved not in along}
        kept = self._keep_for_nodes(rest, room)  # one after the other, in the same memory
        own = sum(n * self.ripples.of_slice[moved.slice].macs for moved, n in along.items() if moved.changed)
        found = Kept(kept.tensors, kept.macs + self.ripples.macs + own, ripples=True)
        return min(nodes, found, key=lambda one: one.macs)

    def _keep_for_nodes(self, counts, room):
        """What is kept where every probe runs whole nodes."""
        tensors = 0
        if sum(counts.values()) > 1 and room:
            for changed, _ in counts:
                tensors |= self.read(changed)
            if self.floats(tensors) > room:
                tensors = self._cut(counts, tensors, room)
        return Kept(tensors, self.cost(counts, tensors))

    def forwards(self, counts, kept: Kept, batch_size: int) -> int:
        """What that costs for a batch, in plain passes of one sample, rounded; a probe each where no node has MACs."""
        passes = kept.macs / self._unit if self._unit else sum(counts.values())
        return round(passes * batch_size)

    def _cut(self, counts, wanted, room):
        """Cut points, added by gain or by gain a float while they pay, and exchanged one for one: the better of both.

        The price is multiply-accumulates, and between equals elements: what has no MACs is not free either.
        """
        candidates = [1 << k for k in members(self.base(wanted)) if self.sizes[k] <= room]
        weights = [(macs << 40) + size for macs, size in zip(self.macs, self.sizes, strict=True)]
        found = []
        for per_float in (False, True):
            tensors, price, better = 0, self._sum(weights, counts, 0), True
            while better:
                adds = [tensors | one for one in candidates if not tensors & one]
                swaps = [tensors & ~(1 << k) | one for k in members(tensors) for one in candidates if not tensors & one]
                for others in (adds, swaps):
                    fitting = [other for other in others if self.floats(other) <= room]
                    gains = [price - self._sum(weights, counts, other) for other in fitting]
                    shares = [
                        gain / (self.floats(other & ~tensors) if per_float else 1)
                        for gain, other in zip(gains, fitting, strict=True)
                    ]
                    better = max(shares, default=0) > 0
                    if better:
                        at = shares.index(max(shares))
                        tensors, price = fitting[at], price - gains[at]
                        break
            found.append((price, tensors))
        return min(found)[1]


def _code(first, count):
    """A range of theta in one number."""
    return (first << 32) + count


def members(nodes: int) -> list[int]:
    """The nodes of a set, ascending."""
    return [k for k in range(nodes.bit_length()) if nodes >> k & 1]
