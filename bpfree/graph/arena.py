# SPDX-License-Identifier: MIT
"""The arena: where every activation lies, planned once, offline.

Activations whose lifetimes overlap get disjoint places (first fit, largest
first); elementwise operations run in place. Units are floats per sample.
"""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.graph import Graph
from bpfree.ops import OPS


@dataclass(frozen=True)
class Arena:
    """Offsets of tensors and scratch in one arena.

    offsets[tensor] and sides[tensor]: place of side 0, and the distance to
    side 1 (0: both sides share it). scratch[node]: its working memory.
    per_sample, fixed: size; lower_bound: what no plan can beat, per sample.
    keep: tensors that outlive the pass, besides the output.
    """

    offsets: tuple[int, ...]
    sides: tuple[int, ...]
    scratch: tuple[int, ...]
    per_sample: int
    fixed: int
    lower_bound: int
    keep: frozenset[int]

    def floats(self, n: int = 1) -> int:
        """Arena floats for n samples at a time."""
        return self.per_sample * n + self.fixed


@dataclass
class _Block:
    size: int
    first: int
    last: int
    offset: int = 0


def plan_arena(graph: Graph, sides: int = 1, keep: frozenset[int] = frozenset()) -> Arena:
    """Plan for plain (sides=1) or paired (sides=2: theta + mu u and theta - mu u) evaluation.

    keep: tensors that are still there when the pass is over.

    The input is not in the arena: it outlives all queries of a sample.
    """
    moved = _moved_by_theta(graph)
    last_use = {node.output: k for k, node in enumerate(graph.nodes)}
    for k, node in enumerate(graph.nodes):
        last_use.update(dict.fromkeys(node.inputs, k))
    last_use.update(dict.fromkeys((graph.nodes[-1].output, *keep), len(graph.nodes)))

    home: dict[int, _Block] = {}
    scratch: list[_Block] = []
    blocks: list[_Block] = []
    fixed = 0
    for k, node in enumerate(graph.nodes):
        shape = graph.tensors[node.inputs[0]].shape
        source = home.get(node.inputs[0])
        as_many_sides = (node.inputs[0] in moved) == (node.output in moved)
        if OPS[node.op].in_place and source is not None and source.last == k and as_many_sides:
            source.last = last_use[node.output]
            home[node.output] = source
        else:
            copies = sides if node.output in moved else 1
            home[node.output] = _Block(graph.tensors[node.output].size * copies, k, last_use[node.output])
            blocks.append(home[node.output])
        per_sample, fixed_here = OPS[node.op].scratch(node.attributes, shape)
        scratch.append(_Block(per_sample, k, k))
        blocks.append(scratch[-1])
        fixed = max(fixed, fixed_here)

    _first_fit(blocks)
    live = [sum(b.size for b in blocks if b.first <= k <= b.last) for k in range(len(graph.nodes))]
    numbers = range(len(graph.tensors))
    return Arena(
        offsets=tuple(home[t].offset if t in home else 0 for t in numbers),
        sides=tuple(graph.tensors[t].size if sides == 2 and t in moved else 0 for t in numbers),
        scratch=tuple(block.offset for block in scratch),
        per_sample=max(block.offset + block.size for block in blocks),
        fixed=fixed,
        lower_bound=max(live),
        keep=frozenset(keep),
    )


def _moved_by_theta(graph: Graph) -> set[int]:
    """Tensors whose value depends on a trainable parameter: the two sides differ there."""
    moved: set[int] = set()
    for node in graph.nodes:
        own = graph.slices[node.first_slice : node.first_slice + node.n_slices]
        if moved.intersection(node.inputs) or any(not s.frozen for s in own):
            moved.add(node.output)
    return moved


def _first_fit(blocks: list[_Block]) -> None:
    placed: list[_Block] = []
    for block in sorted(blocks, key=lambda b: -b.size):
        taken = sorted(
            (b.offset, b.offset + b.size)
            for b in placed
            if b.size and b.first <= block.last and block.first <= b.last
        )
        for start, stop in taken:
            if block.offset + block.size <= start:
                break
            block.offset = max(block.offset, stop)
        placed.append(block)
