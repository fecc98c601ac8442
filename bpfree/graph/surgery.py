# SPDX-License-Identifier: MIT
"""Surgery: which slices are constants, the graph up to a tensor, nodes that others take the place of."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

import numpy as np

from bpfree.errors import check_unmasked
from bpfree.graph.graph import INPUT, Graph, Row, layout
from bpfree.graph.layers import Chain, assemble

_LISTED = 12
"""Names that a message lists; of more it says the nearest."""


def matching(what: str, patterns: tuple, names) -> set[str]:
    """The names that patterns match, as in fnmatch; a pattern that is one of the names means that one alone.

    patterns: texts, or one sequence of them. Raises TypeError or ValueError, which call them `what`, where one is
    no text or matches nothing.
    """
    if len(patterns) == 1 and isinstance(patterns[0], tuple | list):
        (patterns,) = patterns
    if not patterns:
        raise ValueError(f"{what}: expected a pattern such as 'linear1.*', or several, got none")
    chosen = set()
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(f"{what}: expected patterns such as 'linear1.*', got {pattern!r}")
        found = {pattern} if pattern in names else {name for name in names if fnmatchcase(name, pattern)}
        if not found:
            raise ValueError(f"{what}: expected a pattern that matches one of {_some(names, pattern)}, got {pattern!r}")
        chosen |= found
    return chosen


def _some(names, near: str) -> str:
    """These names, or where they are many the nearest to one, for a message."""
    if len(names) <= _LISTED:
        return ", ".join(names) or "parameters, of which there are none"
    nearest = get_close_matches(near, names, n=_LISTED // 2, cutoff=0.0)
    return f"{len(names)} names, such as {', '.join(nearest)}"


def split(graph: Graph, frozen) -> Graph:
    """The same graph with exactly these slices, by name, in the frozen vector."""
    slices = layout((part.name, part.shape, part.layer, part.name in frozen) for part in graph.slices)
    return replace(graph, slices=slices)


def up_to(graph: Graph, tensor: str) -> Graph:
    """The graph that ends at a tensor, with only the nodes that it is made of."""
    names = [node.name for node in graph.nodes]
    if tensor not in names:
        raise ValueError(f"tensor: expected one that a node makes, {_some(names, str(tensor))}, got {tensor!r}")
    wanted, rows = {tensor}, []
    for row in reversed(graph.rows()):
        if row.name in wanted:
            wanted.update(row.inputs)
            rows.append(row)
    return assemble(graph.input.shape, rows[::-1])


def replaced(graph: Graph, nodes, rows) -> tuple[Graph, Chain]:
    """The graph in which rows, or layers, take the place of nodes, and the Chain of these rows.

    What read the last of the nodes reads the last of the rows, or, where there are none, what the first of the
    nodes read. Nodes that nothing reads any more are gone.
    """
    removed = _named(graph, nodes)
    gone, last = {node.name for node in removed}, removed[-1].name
    place = graph.nodes.index(removed[-1]) + 1
    before = [row for row in graph.rows()[:place] if row.name not in gone]
    behind = graph.rows()[place:]
    chain, end = _new_rows(graph, removed[0], rows, before, behind)
    behind = [row._replace(inputs=tuple(end if name == last else name for name in row.inputs)) for row in behind]
    for row in [*before, *behind]:
        for name in row.inputs:
            if name in gone and name not in chain.shapes:
                raise ValueError(f"rows: expected one named {name!r}, which node {row.name!r} reads, got none")
    whole = assemble(graph.input.shape, [*before, *chain.rows, *behind])
    return up_to(whole, behind[-1].name if behind else end), chain


def _named(graph, nodes) -> list:
    """Nodes by their names, in execution order."""
    wanted, names = [nodes] if isinstance(nodes, str) else nodes, [node.name for node in graph.nodes]
    if not isinstance(wanted, tuple | list) or not wanted:
        raise TypeError(f"node: expected the name of a node, or several, got {nodes!r}")
    for name in wanted:
        if name not in names:
            raise ValueError(f"node: expected a name of {_some(names, str(name))}, got {name!r}")
    return [node for node in graph.nodes if node.name in wanted]


def _new_rows(graph, first, rows, before, behind) -> tuple[Chain, str]:
    """The Chain of rows and layers, and the tensor that it ends at; layers begin with what the first node read."""
    if isinstance(rows, str) or not np.iterable(rows):
        raise TypeError(f"rows: expected a list of layers or of (op, name, inputs, attributes), got {rows!r}")
    known = {INPUT, *(row.name for row in before)}
    shapes = {tensor.name: tensor.shape for tensor in graph.tensors if tensor.name in known}
    chain, end = Chain(shapes, len(before), [row.name for row in behind]), None
    if len(first.inputs) == 1:
        end = graph.tensors[first.inputs[0]].name
    for row in rows:
        if isinstance(row, tuple):
            end = chain.append_row(_row(row))
        elif end is None:
            raise ValueError(f"rows: expected rows, as {first.label} reads {len(first.inputs)} tensors, got {row!r}")
        else:
            end = chain.append(row, end)
    if end is None or (end == INPUT and not behind):
        raise ValueError(f"rows: expected at least one in the place of {first.label}, got none")
    return chain, end


def _row(row: tuple) -> Row:
    """A Row whose inputs and attributes are its own."""
    if not 4 <= len(row) <= 5:
        raise TypeError(f"rows: expected (op, name, inputs, attributes), got {row!r}")
    return Row(*row)._replace(inputs=tuple(row[2]), attributes=deepcopy(row[3]))


def values_after(graph: Graph, chain: Chain, own: dict, given: dict) -> dict:
    """Values by name of what is not drawn in the graph that `replaced` made: the old ones, and those given.

    own: of the model before. given: of the new rows, by the user.
    """
    new, values = {row.name for row in chain.rows}, {}
    if not isinstance(given, dict):
        raise TypeError(f"parameters: expected a dict of values by name, got {given!r}")
    for part in graph.slices:
        if part.name.rpartition(".")[0] in new:
            values[part.name] = chain.given.get(part.name)
        elif own[part.name].shape == part.shape:
            values[part.name] = own[part.name]
        else:
            expected = f"rows behind which {part.name} keeps its shape {own[part.name].shape}"
            raise ValueError(f"rows: expected {expected}, got {part.shape}: replace its node, too")
    shapes = {part.name: part.shape for part in graph.slices if part.name.rpartition(".")[0] in new}
    for name, value in given.items():
        if name not in shapes:
            raise ValueError(f"parameters: expected names among {list(shapes)}, got {name!r}")
        value = np.asarray(check_unmasked("parameters", value))
        if value.shape != shapes[name] or not np.issubdtype(value.dtype, np.floating):
            expected = f"floats of shape {shapes[name]}"
            raise ValueError(f"parameters: expected {name} to be {expected}, got {value.dtype} of shape {value.shape}")
        with np.errstate(over="ignore"):
            finite = np.isfinite(value.astype(np.float32)).all()
        if not finite:
            raise ValueError(f"parameters: expected {name} to be finite float32 numbers, got some that are not")
        values[name] = value
    return {name: value for name, value in values.items() if value is not None}
