# SPDX-License-Identifier: MIT
"""A model as data: nodes over tensors, and named slices of two flat float32 vectors.

`theta` holds what is trained (probes, updates, hash and journal see only it);
`frozen` holds constants, which a device keeps in flash. Shapes are per sample.
Graphs are built by :func:`bpfree.graph.layers.assemble`, which derives every shape
and offset from the operations, so a stored graph cannot contradict itself.
"""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from bpfree.ops import OPS
from bpfree.ops.table import Op, Site
from bpfree.rng import BLOCK

INPUT = "input"
"""Name of the tensor a sample comes in by."""

SCHEMA = 1
"""Version of the graph's JSON; part of every hash."""

FLOAT32 = 0
"""The kind of all tensors and slices there are, `enum bpfree_kind` in C; 1 is reserved for int8, 2 for int16."""


@dataclass(frozen=True)
class Tensor:
    """One activation, shape per sample, of elements of a kind."""

    name: str
    shape: tuple[int, ...]
    kind: int = FLOAT32

    @property
    def size(self) -> int:
        """Elements per sample."""
        return prod(self.shape)


@dataclass(frozen=True)
class Slice:
    """One named parameter tensor: a view into theta or into the frozen vector. offset: in words of 4 bytes."""

    name: str
    shape: tuple[int, ...]
    offset: int
    first_block: int
    layer: int
    frozen: bool = False
    kind: int = FLOAT32

    @property
    def size(self) -> int:
        """Elements of its kind."""
        return prod(self.shape)

    @property
    def range(self) -> slice:
        """Where it lies in its vector."""
        return slice(self.offset, self.offset + self.size)


class Piece(NamedTuple):
    """Elements of theta that lie in one slice: what a direction is drawn on.

    offset: the first of them in theta; size: how many. The first is element `skip`, less than
    BLOCK, of the random block `block`.
    """

    offset: int
    size: int
    block: int
    skip: int = 0

    @property
    def range(self) -> slice:
        """Where it lies in theta."""
        return slice(self.offset, self.offset + self.size)


@dataclass(frozen=True)
class Node:
    """One operation: its row, where it stands, tensors by number, parameters as a range of slice numbers."""

    op: Op
    name: str
    inputs: tuple[int, ...]
    output: int
    first_slice: int
    n_slices: int
    site: Site

    @property
    def slices(self) -> range:
        """Numbers of its slices."""
        return range(self.first_slice, self.first_slice + self.n_slices)

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"node {self.name!r} ({self.op.name})"


class Row(NamedTuple):
    """What a node is made of: all that :func:`bpfree.graph.layers.assemble` has to be told.

    op: a row of the table of operations, or its name. inputs: names of the tensors that it reads; its own names
    the one that it makes. frozen: which of its parameters are constants, such as "weight".
    """

    op: Op | str
    name: str
    inputs: tuple[str, ...]
    attributes: dict
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Nodes in execution order, tensor 0 is the input, the last node's output is the output."""

    nodes: tuple[Node, ...]
    tensors: tuple[Tensor, ...]
    slices: tuple[Slice, ...]

    def __repr__(self) -> str:
        return f"Graph({self.chain}, {self.n_theta} trainable, {self.n_frozen} frozen)"

    @property
    def chain(self) -> str:
        """The input's size, the names of the nodes in order, at most ten of them, and the output's size."""
        if not self.nodes:
            return "no nodes"
        names = [node.name for node in self.nodes]
        if len(names) > 10:
            names[5:-5] = [f"... {len(names) - 10} more"]
        return " -> ".join([str(self.input.size), *names, str(self.output.size)])

    @property
    def input(self) -> Tensor:
        """The tensor a sample comes in by."""
        return self.tensors[0]

    @property
    def output(self) -> Tensor:
        """What the last node computes."""
        return self.tensors[self.nodes[-1].output]

    @property
    def n_theta(self) -> int:
        """Trainable parameters."""
        return sum(s.size for s in self.slices if not s.frozen)

    @property
    def n_frozen(self) -> int:
        """Constant parameters."""
        return sum(s.size for s in self.slices if s.frozen)

    def parameters(self, node: Node, theta, frozen) -> list:
        """Views of the node's parameters, in slice order."""
        return [
            (frozen if s.frozen else theta)[s.range].reshape(s.shape)
            for s in self.slices_of(node)
        ]

    @property
    def own(self) -> tuple[str, ...]:
        """The nodes whose operations are no rows of the table, and so not in C, in words."""
        return tuple(node.label for node in self.nodes if not OPS.has(node.op))

    @property
    def trainable(self) -> list[Slice]:
        """The slices of theta, one after the other."""
        return [part for part in self.slices if not part.frozen]

    def slices_of(self, node: Node) -> tuple[Slice, ...]:
        """The node's slices."""
        return self.slices[node.first_slice : node.first_slice + node.n_slices]

    def slice_numbers(self, elements) -> np.ndarray:
        """The number of the slice that each of these elements of theta lies in, (n,); -1 behind theta."""
        numbers = [k for k, part in enumerate(self.slices) if not part.frozen]
        ends = np.array([self.slices[k].range.stop for k in numbers], np.int64)
        return np.array([*numbers, -1])[np.searchsorted(ends, elements, "right")]

    def groups(self, grouping: str) -> list[range]:
        """Elements of theta of each group that probes move one at a time.

        "joint": everything at once; "layer": the parameters of one node;
        "tensor": one parameter tensor. The same rule as `bpfree_group` in C.
        """
        if grouping == "joint":
            return [range(self.n_theta)]
        groups = {}
        for number, part in enumerate(self.trainable):
            own = groups.setdefault(part.layer if grouping == "layer" else number, [])
            own.append(part)
        return [range(own[0].offset, own[-1].range.stop) for own in groups.values()]

    def pieces(self, first: int, count: int) -> list[Piece]:
        """Elements [first, first + count) of theta, slice by slice; a range may begin and end inside one."""
        found = []
        for part in self.trainable:
            start, stop = max(first, part.offset), min(first + count, part.range.stop)
            if start < stop:
                blocks, skip = divmod(start - part.offset, BLOCK)
                found.append(Piece(start, stop - start, part.first_block + blocks, skip))
        return found

    def rows(self) -> list[Row]:
        """What its nodes are made of, in execution order: a list to change and to assemble again."""
        return [
            Row(
                node.op,
                node.name,
                tuple(self.tensors[t].name for t in node.inputs),
                deepcopy(node.site.attributes),
                tuple(part.name.rpartition(".")[2] for part in self.slices_of(node) if part.frozen),
            )
            for node in self.nodes
        ]

    def to_json(self) -> str:
        """Canonical text (sorted keys, no spaces): what the model hash is taken over."""
        nodes = [
            {
                "op": node.op.name,
                "name": node.name,
                "inputs": [self.tensors[t].name for t in node.inputs],
                "attributes": node.site.attributes,
            }
            for node in self.nodes
        ]
        document = {
            "schema": SCHEMA,
            "input": list(self.input.shape),
            "nodes": nodes,
            "frozen": [s.name for s in self.slices if s.frozen],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    def hash(self) -> int:
        """FNV-1a-64 of the canonical JSON: names a model in journals and images."""
        return fnv1a64(self.to_json().encode())


def layout(shapes) -> tuple[Slice, ...]:
    """Slices from (name, shape, layer, frozen) rows: offsets per vector, blocks over theta.

    Every trainable slice starts on a fresh random block, so its signs do not
    depend on where it lies in theta.
    """
    slices, offset, block = [], {False: 0, True: 0}, 0
    for name, shape, layer, frozen in shapes:
        row = Slice(name, tuple(shape), offset[frozen], 0 if frozen else block, layer, frozen)
        slices.append(row)
        offset[frozen] += row.size
        if not frozen:
            block += (row.size + BLOCK - 1) // BLOCK
    return tuple(slices)


def fnv1a64(data: bytes) -> int:
    """FNV-1a-64 of bytes.

    >>> hex(fnv1a64(b"a"))
    '0xaf63dc4c8601ec8c'
    """
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def theta_hash(theta) -> str:
    """FNV-1a-64 over the little-endian float32 bytes, 16 hex digits: equal hash, equal bits.

    >>> theta_hash(np.zeros(1, np.float32))
    '4d25767f9dce13f5'
    """
    if "bpfree._core" in sys.modules:  # loaded already: 150 times faster
        from bpfree import native

        return native.theta_hash(np.ascontiguousarray(theta, np.float32))
    return f"{fnv1a64(np.ascontiguousarray(theta, '<f4').tobytes()):016x}"
