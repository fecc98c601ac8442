# SPDX-License-Identifier: MIT
"""How layers become a graph with initial weights; each layer is in the file of its operation, below bpfree/ops."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from bpfree import rng
from bpfree.errors import check_count, check_positive, check_seed
from bpfree.graph import INPUT, Graph, Node, Row, Tensor, layout
from bpfree.ops import OPS
from bpfree.ops.declared import first_values, parameter_rows
from bpfree.ops.table import Op
from bpfree.registry import check_printable

_MOST_ELEMENTS = 2**32
"""Sizes are uint32_t in C, and sums of them fit 64 bits here."""


class Residual:
    """y = x + layers(x): a skip round one or more layers that keep the shape (He et al., CVPR 2016).

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.Residual(bf.ReLU())]).predict([[-1.0, 2.0]], "exact").tolist()
    [[-1.0, 4.0]]
    """

    def __init__(self, *layers):
        if not layers:
            raise TypeError("Residual: expected at least one layer, got none")
        self.layers = layers


def assemble(input_shape, nodes, frozen=()) -> Graph:
    """A graph from (op, name, input tensor names, attributes) rows, in execution order.

    op: a name of the table of operations, or an Op. Each row's output is a
    tensor of the row's name. Shapes, slices, offsets and random blocks all
    follow from the operations. `frozen` names the slices that live in the
    frozen vector; a :class:`bpfree.graph.Row` says the same of its own.
    """
    tensors = [Tensor(INPUT, tuple(check_count("input shape", size) for size in input_shape))]
    _check_size("input shape", tensors[0])
    numbers = {INPUT: 0}
    built, rows, constant, known = [], [], set(frozen), {}
    for layer, row in enumerate(nodes):
        op, name, inputs, attributes, own = Row(*row)
        op = _op(op)
        OPS.check_own_name(op)
        _check_alike(op, known.setdefault(op.name, op))
        check_printable("node name", name)
        if name in numbers:
            raise ValueError(f"node name: expected names to be unique, got {name!r} twice")
        sources = _of_inputs(op, name, inputs, numbers)
        site = _site(op, name, attributes, [tensors[number].shape for number in sources])
        parameters = parameter_rows(op, site)
        numbers[name] = len(tensors)
        tensors.append(Tensor(name, site.output_shape))
        _check_size(f"node {name!r}", tensors[-1])
        built.append(Node(op, name, sources, numbers[name], len(rows), len(parameters), site))
        constant.update(f"{name}.{part}" for part in own)
        rows += [(f"{name}.{part}", shape, layer) for part, shape in parameters]
    if not built:
        raise ValueError("layers: expected at least one, got none")
    unknown = constant - {row[0] for row in rows}
    if unknown:
        raise ValueError(f"frozen: expected names of parameters, got {sorted(unknown)}")
    return Graph(tuple(built), tuple(tensors), layout((*row, row[0] in constant) for row in rows))


def _check_size(what: str, tensor: Tensor) -> None:
    if tensor.size >= _MOST_ELEMENTS:
        raise ValueError(f"{what}: expected fewer than 2^32 elements of a sample, got shape {tensor.shape}")


def _op(op: Op | str) -> Op:
    return op if isinstance(op, Op) else OPS[op]


def _check_alike(op: Op, other: Op) -> None:
    """Raise where two operations of one name are not the same: a file has only the name."""
    if op is not other and any(getattr(op, field.name) != getattr(other, field.name) for field in fields(Op)):
        ways = "give each a name of its own, or make what differs an attribute; else use one Op in all places"
        raise ValueError(f"ops: expected one of the name {op.name!r} in a model, got two that differ: {ways}")


def _of_inputs(op, name, inputs, known) -> tuple:
    """What is known of the tensors that a node reads, by name."""
    unknown = [tensor for tensor in inputs if tensor not in known]
    if unknown:
        raise ValueError(f"node {name!r}: expected inputs among {sorted(known)}, got {list(inputs)}")
    if len(inputs) != op.arity:
        wanted = f"{op.arity or 'no'} input{'s' * (op.arity != 1)}"
        raise ValueError(f"node {name!r}: {op.name} expects {wanted}, got {len(inputs)}")
    return tuple(known[tensor] for tensor in inputs)


def _site(op, name, attributes, shapes):
    """Where it stands, if these attributes and shapes fit."""
    if not isinstance(attributes, dict) or set(attributes) != set(op.attributes):
        raise ValueError(f"node {name!r} ({op.name}): expected attributes {sorted(op.attributes)}, got {attributes!r}")
    try:
        return op.site(attributes, shapes)
    except (KeyError, TypeError) as error:
        raise ValueError(f"node {name!r} ({op.name}): attributes do not fit: {error}") from None
    except ValueError as error:
        raise ValueError(f"node {name!r}: {error}") from None


def initial_parameters(graph: Graph, seed: int, gains=None, given=None) -> tuple[np.ndarray, np.ndarray]:
    """theta and frozen, float32: slice k is drawn with key (seed, k), the same bits on every machine.

    gains: by node, else 1. given: values by slice, which are then not drawn.
    """
    check_seed(seed)
    gains, given = gains or {}, given or {}
    theta, frozen = np.zeros(graph.n_theta, np.float32), np.zeros(graph.n_frozen, np.float32)
    for node in graph.nodes:
        names, gain = [part.name for part in graph.slices_of(node)], check_positive("gain", gains.get(node.name, 1.0))

        def draw(part, size, first=node.first_slice):
            return rng.uniform(seed, first + part, size)

        if all(name in given for name in names):
            values = [given[name] for name in names]
        else:
            drawn = first_values(node.op, node.site, draw, gain)
            values = [given.get(name, value) for name, value in zip(names, drawn, strict=True)]
        for view, value in zip(graph.parameters(node, theta, frozen), values, strict=True):
            view[...] = value
    return theta, frozen


def stack(features, layers) -> Chain:
    """The layers one after the other. Nodes are named `linear1`, `relu2`, ..., those of a Model `model3.linear1`."""
    if not np.iterable(layers):
        raise TypeError(f"layers: expected a list of layers, got {layers!r}")
    shape = tuple(check_count("input shape", size) for size in np.atleast_1d(features).tolist())
    chain, source = Chain({INPUT: shape}), INPUT
    for layer in layers:
        source = chain.append(layer, source)
    return chain


class Chain:
    """Nodes of a graph in the making.

    shapes: of the tensors that there are, by name. rows: what was appended. gains: by node, where a layer has one.
    given: values of the parameters that came with a Model, by slice. first: nodes that stand before them.
    taken: names that nodes behind them have.
    """

    def __init__(self, shapes, first: int = 0, taken=()):
        self.shapes, self.rows, self.gains, self.given = dict(shapes), [], {}, {}
        self._first, self._taken = first, taken

    def append(self, layer, source: str) -> str:
        """Add a layer behind the tensor `source`; returns the tensor of its result."""
        if isinstance(layer, Residual):
            end = source
            for inner in layer.layers:
                end = self.append(inner, end)
            return self._node(OPS["add"], {}, (source, end))
        if isinstance(getattr(layer, "graph", None), Graph) and hasattr(layer, "parameters"):
            return self._model(layer, source)
        if isinstance(layer, Op):
            return self._node(layer, {}, (source,))
        if isinstance(layer, type) or not hasattr(layer, "node"):
            raise TypeError(f"layers: expected layers such as Linear(10), got {layer!r}")
        op, attributes = layer.node(self.shapes[source])
        return self._node(op, attributes, (source,), getattr(layer, "gain", None))

    def append_row(self, row: Row) -> str:
        """Add a node as it is; returns its tensor."""
        self.rows.append(row)
        op = _op(row.op)
        shapes = _of_inputs(op, row.name, row.inputs, self.shapes)
        self.shapes[row.name] = _site(op, row.name, row.attributes, shapes).output_shape
        return row.name

    def _node(self, op: Op, attributes, inputs, gain: float | None = None) -> str:
        name = self._free(op.name)
        if gain is not None:
            self.gains[name] = gain
        return self.append_row(Row(op, name, inputs, attributes))

    def _model(self, model, source: str) -> str:
        """A Model's nodes, their names behind that of the whole, with the values of its parameters."""
        whole, tensor = self._free("model"), model.graph.input
        if tensor.shape != self.shapes[source]:
            got = f"{source!r} of shape {self.shapes[source]}"
            raise ValueError(f"layers: {whole} expects inputs of shape {tensor.shape}, got {got}")
        names = {INPUT: source}
        for row in model.graph.rows():
            names[row.name] = f"{whole}.{row.name}"
            inputs = tuple(names[name] for name in row.inputs)
            end = self.append_row(row._replace(name=names[row.name], inputs=inputs))
        self.given.update({f"{whole}.{name}": value for name, value in model.parameters().items()})
        return end

    def _free(self, kind: str) -> str:
        """A name that says what it is and where, and that neither a tensor has nor the nodes of another Model."""
        number = self._first + len(self.rows) + 1
        while any(f"{kind}{number}" in (name, name.partition(".")[0]) for name in (*self.shapes, *self._taken)):
            number += 1
        return f"{kind}{number}"
