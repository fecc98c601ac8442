# SPDX-License-Identifier: MIT
"""A graph as the C runtime's tables, in plain numbers.

The compiled engine hands them to C in memory and the firmware exporter prints
them as const arrays: the same rows either way.
"""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.graph import Graph
from bpfree.graph.arena import Arena, plan_arena
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


@dataclass(frozen=True)
class ModelTables:
    """`bpfree_model`; tensors are (size, offset, side), slices (offset, size, first_block, layer, frozen)."""

    nodes: tuple[NodeRow, ...]
    tensors: tuple[tuple[int, int, int], ...]
    slices: tuple[tuple[int, int, int, int, int], ...]
    n_theta: int
    n_frozen: int
    output: int
    hash: int
    arena: Arena

    @property
    def features(self) -> int:
        """Floats of one sample."""
        return self.tensors[0][0]

    @property
    def outputs(self) -> int:
        """Floats of one result."""
        return self.tensors[self.output][0]


def device_tables(trainer) -> ModelTables:
    """The tables that a device trains with. Raises ValueError where it cannot."""
    if trainer.refusal:
        raise ValueError(f"trainer: expected one that a device has room for, got {trainer.refusal}")
    device = trainer.rows["estimator"].device
    return model_tables(trainer.graph, device.sides(trainer.estimator), device.kept(trainer.graph))


def model_tables(graph: Graph, sides: int = 1, keep: frozenset[int] = frozenset()) -> ModelTables:
    """Tables for plain (sides=1) or paired (sides=2) evaluation. Raises for ops without a kernel.

    keep: tensors that a pass leaves in the arena.
    """
    arena = plan_arena(graph, sides, keep)
    for what, floats in (("arena", arena.floats(TILE)), ("theta", graph.n_theta), ("frozen", graph.n_frozen)):
        if floats >= 2**32:
            raise ValueError(f"model: the C runtime counts in 32 bits, got {floats} floats of {what}")
    rows = []
    for node, scratch in zip(graph.nodes, arena.scratch, strict=True):
        op = OPS[node.op]
        if not isinstance(op.c, str):
            raise ValueError(f"node {node.name!r}: {op.name} has no C kernel: {op.c.reason}")
        words = tuple(op.words(node.attributes, graph.tensors[node.inputs[0]].shape))
        rows.append(
            NodeRow(op.number, op.c, words, node.inputs, node.output, node.first_slice, node.n_slices, scratch)
        )
    return ModelTables(
        nodes=tuple(rows),
        tensors=tuple(zip((t.size for t in graph.tensors), arena.offsets, arena.sides, strict=True)),
        slices=tuple((s.offset, s.size, s.first_block, s.layer, int(s.frozen)) for s in graph.slices),
        n_theta=graph.n_theta,
        n_frozen=graph.n_frozen,
        output=graph.nodes[-1].output,
        hash=graph.hash(),
        arena=arena,
    )
