# SPDX-License-Identifier: MIT
"""The arena: where every activation lies, planned once, offline.

Activations whose lifetimes overlap get disjoint places (first fit, largest
first); elementwise operations run in place. Units are words of 4 bytes per sample.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from bpfree.graph import Graph


@dataclass(frozen=True)
class Arena:
    """Offsets of tensors and scratch in one arena.

    offsets[tensor] and sides[tensor]: place of side 0, and the distance to
    side 1 (0: both sides share it). rows[tensor]: (row, stride), elements of a
    row and from one to the next. scratch[node]: its working memory.
    per_sample, fixed: size; lower_bound: what no plan can beat, per sample.
    keep: tensors that outlive the pass, besides the output.
    """

    offsets: tuple[int, ...]
    sides: tuple[int, ...]
    rows: tuple[tuple[int, int], ...]
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


def plan_arena(graph: Graph, sides: int = 1, keep: frozenset[int] = frozenset(), rows=None) -> Arena:
    """Plan for plain (sides=1) or paired (sides=2: theta + mu u and theta - mu u) evaluation.

    keep: tensors that are still there when the pass is over. rows: {tensor: (row, stride)} of those that
    are to lie in rows with gaps; what is between the rows is nobody's.

    The input is not in the arena: it outlives all queries of a sample.
    """
    moved, rows = _moved_by_theta(graph), _all_rows(graph, keep, rows or {})
    last_use = {node.output: k for k, node in enumerate(graph.nodes)}
    for k, node in enumerate(graph.nodes):
        last_use.update(dict.fromkeys(node.inputs, k))
    last_use.update(dict.fromkeys((graph.nodes[-1].output, *keep), len(graph.nodes)))

    home: dict[int, _Block] = {}
    scratch: list[_Block] = []
    blocks: list[_Block] = []
    fixed = 0
    for k, node in enumerate(graph.nodes):
        source = _in_place_of(graph, node, moved, rows)
        if source in home and home[source].last == k:
            home[source].last = last_use[node.output]
            home[node.output] = home[source]
        else:
            copies = sides if node.output in moved else 1
            home[node.output] = _Block(words_of(graph, rows, node.output) * copies, k, last_use[node.output])
            blocks.append(home[node.output])
        per_sample, fixed_here = node.op.kernel.scratch(site_in_rows(graph, node, rows))
        scratch.append(_Block(per_sample, k, k))
        blocks.append(scratch[-1])
        fixed = max(fixed, fixed_here)

    _first_fit(blocks)
    numbers = range(len(graph.tensors))
    return Arena(
        offsets=tuple(home[t].offset if t in home else 0 for t in numbers),
        sides=tuple(words_of(graph, rows, t) if sides == 2 and t in moved else 0 for t in numbers),
        rows=rows,
        scratch=tuple(block.offset for block in scratch),
        per_sample=max(block.offset + block.size for block in blocks),
        fixed=fixed,
        lower_bound=max(_live(blocks, len(graph.nodes))),
        keep=frozenset(keep),
    )


def words_of(graph: Graph, rows, tensor: int) -> int:
    """From the first element of a tensor to the end of its last row, for one sample and side."""
    row, stride = rows[tensor]
    return (graph.tensors[tensor].size // row - 1) * stride + row


def site_in_rows(graph: Graph, node, rows):
    """The node's site, as its kernel has to know it."""
    tensors = (*node.inputs, node.output)
    return replace(node.site, strided=any(rows[t][0] != graph.tensors[t].size for t in tensors))


def _all_rows(graph: Graph, keep, wanted) -> tuple[tuple[int, int], ...]:
    """(row, stride) of every tensor; those that nothing is wanted of have one row."""
    for tensor, (row, stride) in wanted.items():
        size, fixed = graph.tensors[tensor].size, {0, graph.nodes[-1].output, *keep}
        if tensor in fixed:
            expected = "tensors between two nodes that no pass has to keep"
            raise ValueError(f"rows: expected {expected}, got {graph.tensors[tensor].name!r}")
        if row < 1 or size % row or stride < row:
            raise ValueError(f"rows: expected rows that divide {size} elements and do not overlap, got {row, stride}")
    sizes = (tensor.size for tensor in graph.tensors)
    return tuple(wanted.get(number, (size, size)) for number, size in enumerate(sizes))


def _in_place_of(graph: Graph, node, moved, rows) -> int | None:
    """The tensor whose place the node's output may take over, where it is the last to read it."""
    if not node.op.kernel.in_place:
        return None
    source = node.inputs[0]
    same_sides = (source in moved) == (node.output in moved)
    return source if same_sides and rows[source] == rows[node.output] else None


def _moved_by_theta(graph: Graph) -> set[int]:
    """Tensors whose value depends on a trainable parameter: the two sides differ there."""
    moved: set[int] = set()
    for node in graph.nodes:
        if moved.intersection(node.inputs) or any(not s.frozen for s in graph.slices_of(node)):
            moved.add(node.output)
    return moved


def _live(blocks: list[_Block], n: int) -> list[int]:
    """Words that are alive at each of the n nodes."""
    changes = [0] * (n + 2)  # what outlives the pass ends behind the last node
    for block in blocks:
        changes[block.first] += block.size
        changes[block.last + 1] -= block.size
    return list(accumulate(changes))[:n]


def _first_fit(blocks: list[_Block]) -> None:
    """Give each block, the largest first, the lowest place that no block has which is alive at the same time.

    The columns of `placed` are what was placed before, by ascending offset, so that one block takes a few calls of
    NumPy, however many there are.
    """
    placed = np.zeros((4, 0), np.int64)
    for block in sorted(blocks, key=lambda b: -b.size):
        if block.size == 0:  # at 0, in nobody's way
            return
        first, last, starts, stops = placed
        alive = (first <= block.last) & (last >= block.first)
        free_from = np.maximum.accumulate(np.concatenate([[0], stops[alive]]))  # of all that begin before
        fits = free_from[:-1] + block.size <= starts[alive]
        block.offset = int(free_from[fits.argmax() if fits.any() else -1])
        own = block.first, block.last, block.offset, block.offset + block.size
        placed = np.insert(placed, np.searchsorted(starts, block.offset), own, axis=1)
