# SPDX-License-Identifier: MIT
"""A graph as the C runtime's tables, in plain numbers.

The compiled engine hands them to C in memory and the firmware exporter prints
them as const arrays: the same rows either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

from bpfree.graph import Graph, Node
from bpfree.graph.arena import Arena, plan_arena, site_in_rows
from bpfree.native.model import TILE
from bpfree.ops import OPS


@dataclass(frozen=True)
class NodeRow:
    """`bpfree_node`, with the kernel by number and symbol."""

    op: int
    kernel: str
    attributes: tuple[int, ...]
    inputs: tuple[int, ...]
    output: int
    first_slice: int
    n_slices: int
    scratch: int
    piece: int


class TensorRow(NamedTuple):
    """`bpfree_tensor`."""

    size: int
    offset: int
    side: int
    row: int
    stride: int
    kind: int


class SliceRow(NamedTuple):
    """`bpfree_slice`."""

    offset: int
    size: int
    first_block: int
    layer: int
    frozen: int
    kind: int


@dataclass(frozen=True)
class ModelTables:
    """`bpfree_model`, and the plan of its arena."""

    nodes: tuple[NodeRow, ...]
    tensors: tuple[TensorRow, ...]
    slices: tuple[SliceRow, ...]
    n_theta: int
    n_frozen: int
    output: int
    hash: int
    arena: Arena

    @property
    def features(self) -> int:
        """Floats of one sample."""
        return self.tensors[0].size

    @property
    def outputs(self) -> int:
        """Floats of one result."""
        return self.tensors[self.output].size

    def words_of(self, tensor: int) -> int:
        """Room of a tensor, for one sample and side, in words: with the gaps between its rows."""
        own = self.tensors[tensor]
        return (own.size // own.row - 1) * own.stride + own.row


def device_tables(trainer) -> ModelTables:
    """The tables that a device trains with. Raises ValueError where it cannot."""
    if trainer.refusal:
        raise ValueError(f"trainer: expected one that a device can train by, got {trainer.refusal}")
    device, graph = trainer.rows["estimator"].device, trainer.graph
    sides = 1 if _in_turn(graph) else device.sides(trainer.estimator)
    return model_tables(graph, sides, device.kept(graph))


def _in_turn(graph: Graph) -> bool:
    """Return whether both sides of a probe are better computed one after the other, in half the activations.

    Only Linear saves work where a pass computes both: it reads each weight and draws each sign once. So they come
    in turn where less than 1/16 of a pass's MACs are Linear's.
    """
    macs = [(node.op.name == "linear", node.op.macs(node.site)) for node in graph.nodes]
    return 16 * sum(n for linear, n in macs if linear) < sum(n for _, n in macs)


def model_tables(graph: Graph, sides: int = 1, keep: frozenset[int] = frozenset(), rows=None) -> ModelTables:
    """Tables for plain (sides=1) or paired (sides=2) evaluation. Raises ValueError for ops without a kernel.

    keep: tensors that a pass leaves in the arena. rows: {tensor: (row, stride)} of those that lie in rows with gaps.
    """
    for node in graph.nodes:
        _check_kernel(node)
    arena = plan_arena(graph, sides, keep, rows)
    for what, words in (("arena", arena.floats(TILE)), ("theta", graph.n_theta), ("frozen", graph.n_frozen)):
        if words >= 2**32:
            raise ValueError(f"model: the C runtime counts in 32 bits, got {words} words of {what}")
    nodes = []
    for node, scratch in zip(graph.nodes, arena.scratch, strict=True):
        attributes = tuple(node.op.kernel.words(site_in_rows(graph, node, arena.rows)))
        piece = gcd(*(arena.rows[tensor][0] for tensor in (*node.inputs, node.output)))
        place = (node.inputs, node.output, node.first_slice, node.n_slices, scratch, piece)
        nodes.append(NodeRow(node.op.number, node.op.c, attributes, *place))
    places = zip(graph.tensors, arena.offsets, arena.sides, arena.rows, strict=True)
    return ModelTables(
        nodes=tuple(nodes),
        tensors=tuple(TensorRow(t.size, offset, side, *own, t.kind) for t, offset, side, own in places),
        slices=tuple(SliceRow(s.offset, s.size, s.first_block, s.layer, int(s.frozen), s.kind) for s in graph.slices),
        n_theta=graph.n_theta,
        n_frozen=graph.n_frozen,
        output=graph.nodes[-1].output,
        hash=graph.hash(),
        arena=arena,
    )


def _check_kernel(node: Node) -> None:
    """Raise unless C has this row: numbers of others index no table."""
    op = node.op
    if not isinstance(op.c, str):
        raise ValueError(f"node {node.name!r}: {op.name} has no C kernel: {op.c.reason}")
    if not OPS.has(op):
        raise ValueError(f"node {node.name!r}: {op.name} has no C kernel: it is no row of the table of operations")
