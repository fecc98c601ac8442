# SPDX-License-Identifier: MIT
"""Stages: a graph in finer steps, layers cut into their contractions, and what of each a change reaches.

One moved entry of a parameter changes of each stage only the outputs that it
reaches. They lie at one index of one axis, or are taken to be all: a slab.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from bpfree.arithmetic import Contraction
from bpfree.engines.slabs import Slab, whole
from bpfree.graph import Graph, Node
from bpfree.ops import OPS


class Axis(IntEnum):
    """What a slab of the y (parts, rows, columns) of a contraction is cut along: `enum bpfree_axis` in C."""

    PARTS = 0
    ROWS = 1
    COLUMNS = 2
    ELEMENT = 3  # of all three: one output


class Stage(NamedTuple):
    """A contraction of a layer, or a node that is not made of any (contraction None).

    inputs, output: numbers of tensors: those of the graph, and behind them those inside of layers. macs: of one sample.
    """

    node: Node
    contraction: Contraction | None
    inputs: tuple[int, ...]
    output: int
    macs: int


class Step(NamedTuple):
    """A stage of which only a slab of the output is computed."""

    stage: int
    axis: Axis
    slab: Slab


def stages_of(graph: Graph) -> tuple[list[Stage], list[int]]:
    """The stages that the output depends on, in order, and the elements of every tensor, with zeros behind some."""
    found, sizes = [], [tensor.size for tensor in graph.tensors]
    for node in _needed(graph):
        layer, site = node.op.layer, node.site
        contractions = layer.contractions(site) if layer and layer.contractions else ()
        if not contractions:
            found.append(Stage(node, None, node.inputs, node.output, node.op.macs(site)))
            continue
        source = node.inputs[0]
        sizes[source] = max(sizes[source], contractions[0].inputs)
        for contraction in contractions:
            last = contraction is contractions[-1]
            output = node.output if last else len(sizes)
            if not last:
                sizes.append(contraction.outputs)
            found.append(Stage(node, contraction, (source,), output, contraction.macs))
            source = output
    return found, sizes


def first_step(number: int, contraction: Contraction, parameter: int) -> Step:
    """The step that an entry of the contraction's own parameter makes: a row of its matrix, or one of its starts."""
    p, m, c = contraction.parts, contraction.rows, contraction.columns
    if parameter == contraction.parameter:
        return Step(number, Axis.ROWS, Slab(p, m, c))
    return Step(number, Axis.ELEMENT, Slab(1, contraction.outputs, 1))


def next_step(number: int, stage: Stage, changed: dict[int, Slab], graph: Graph) -> Step:
    """What a stage makes of slabs of its inputs, by tensor."""
    slabs = [changed[tensor] for tensor in stage.inputs if tensor in changed]
    if stage.contraction is not None:
        return _through(number, stage.contraction, slabs[0])
    if _cuttable(stage.node):
        return Step(number, Axis.PARTS, slabs[0])
    return Step(number, Axis.PARTS, whole(graph.tensors[stage.output].size))


def _cuttable(node: Node) -> bool:
    """Return whether the op makes of some elements what it makes of them among all; False for one's own."""
    return OPS.has(node.op) and node.op.elementwise is not None and not node.slices


def _through(number: int, contraction: Contraction, slab: Slab) -> Step:
    """Sums over k: outputs at the parts and the columns that the slab touches; cut along one axis, the better one."""
    slab = slab.within(contraction.inputs)
    parts = slab.quotients(contraction.inner * contraction.columns)
    columns = slab.remainders(contraction.columns)
    if parts.size >= columns.size:
        after = parts.after * contraction.rows * contraction.columns
        return Step(number, Axis.PARTS, parts._replace(after=after))
    before = contraction.parts * contraction.rows * columns.before
    return Step(number, Axis.COLUMNS, columns._replace(before=before))


def _needed(graph: Graph) -> list[Node]:
    """Nodes that the output depends on."""
    wanted, found = {graph.nodes[-1].output}, []
    for node in reversed(graph.nodes):
        if node.output in wanted:
            wanted.update(node.inputs)
            found.append(node)
    return found[::-1]
