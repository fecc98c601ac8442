# SPDX-License-Identifier: MIT
"""How layers become a graph with initial weights; each layer is in the file of its operation, below bpfree/ops."""

from __future__ import annotations

import numpy as np

from bpfree import rng
from bpfree.errors import check_count, check_positive, check_seed
from bpfree.graph import INPUT, Graph, Node, Tensor, layout
from bpfree.ops import OPS
from bpfree.ops.table import Op


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
    frozen vector.
    """
    tensors = [Tensor(INPUT, tuple(check_count("input shape", size) for size in input_shape))]
    numbers = {INPUT: 0}
    built, rows = [], []
    for layer, (op, name, inputs, attributes) in enumerate(nodes):
        op = op if isinstance(op, Op) else OPS[op]
        OPS.check_own_name(op)
        if not isinstance(name, str):
            raise TypeError(f"node name: expected a text, got {name!r}")
        if name in numbers:
            raise ValueError(f"node name: expected names to be unique, got {name!r} twice")
        sources = _sources(op, name, inputs, numbers)
        site = _site(op, name, attributes, [tensors[number].shape for number in sources])
        parameters = op.parameters.rows(site)
        numbers[name] = len(tensors)
        tensors.append(Tensor(name, site.output_shape))
        built.append(Node(op, name, sources, numbers[name], len(rows), len(parameters), site))
        rows += [(f"{name}.{part}", shape, layer, f"{name}.{part}" in frozen) for part, shape in parameters]
    if not built:
        raise ValueError("layers: expected at least one, got none")
    unknown = set(frozen) - {row[0] for row in rows}
    if unknown:
        raise ValueError(f"frozen: expected names of parameters, got {sorted(unknown)}")
    return Graph(tuple(built), tuple(tensors), layout(rows))


def _sources(op, name, inputs, numbers) -> tuple[int, ...]:
    """Numbers of the tensors that a node reads."""
    unknown = [tensor for tensor in inputs if tensor not in numbers]
    if unknown:
        raise ValueError(f"node {name!r}: expected inputs among {sorted(numbers)}, got {list(inputs)}")
    if len(inputs) != op.arity:
        wanted = f"{op.arity or 'no'} input{'s' * (op.arity != 1)}"
        raise ValueError(f"node {name!r}: {op.name} expects {wanted}, got {len(inputs)}")
    return tuple(numbers[tensor] for tensor in inputs)


def _site(op, name, attributes, shapes):
    """Where it stands, if these attributes and shapes fit."""
    if not isinstance(attributes, dict) or set(attributes) != set(op.attributes):
        raise ValueError(f"node {name!r} ({op.name}): expected attributes {sorted(op.attributes)}, got {attributes!r}")
    try:
        return op.site(attributes, shapes)
    except (KeyError, TypeError) as error:
        raise ValueError(f"node {name!r} ({op.name}): attributes do not fit: {error}") from None


def initial_parameters(graph: Graph, seed: int, gains=None) -> tuple[np.ndarray, np.ndarray]:
    """theta and frozen, float32: slice k is drawn with key (seed, k), the same bits on every machine."""
    check_seed(seed)
    theta, frozen = np.zeros(graph.n_theta, np.float32), np.zeros(graph.n_frozen, np.float32)
    for k, node in enumerate(graph.nodes):
        gain = check_positive("gain", gains[k]) if gains else 1.0

        def draw(part, size, first=node.first_slice):
            return rng.uniform(seed, first + part, size)

        values = node.op.parameters.initialise(node.site, draw, gain)
        for view, value in zip(graph.parameters(node, theta, frozen), values, strict=True):
            view[...] = value
    return theta, frozen


def stack(features, layers) -> tuple[Graph, list[float]]:
    """The graph of layers one after the other, and their gains. Names are `linear1`, `relu2`, ..."""
    if not np.iterable(layers):
        raise TypeError(f"layers: expected a list of layers, got {layers!r}")
    chain = _Chain(tuple(np.atleast_1d(features).tolist()))
    source = INPUT
    for layer in layers:
        source = chain.append(layer, source)
    return assemble(chain.shape, chain.rows), chain.gains


class _Chain:
    """Rows of a graph in the making, and the shapes of their outputs."""

    def __init__(self, shape):
        self.shape, self.rows, self.gains = shape, [], []
        self._shapes = {INPUT: shape}

    def append(self, layer, source: str) -> str:
        """Add a layer behind the tensor `source`; returns the tensor of its result."""
        if isinstance(layer, Residual):
            end = source
            for inner in layer.layers:
                end = self.append(inner, end)
            return self._node(OPS["add"], {}, [source, end])
        if isinstance(layer, Op):
            return self._node(layer, {}, [source])
        if isinstance(layer, type) or not hasattr(layer, "node"):
            raise TypeError(f"layers: expected layers such as Linear(10), got {layer!r}")
        op, attributes = layer.node(self._shapes[source])
        return self._node(op, attributes, [source], getattr(layer, "gain", 1.0))

    def _node(self, op: Op, attributes, inputs, gain: float = 1.0) -> str:
        name = f"{op.name}{len(self.rows) + 1}"
        self.rows.append((op, name, inputs, attributes))
        self.gains.append(gain)
        self._shapes[name] = assemble(self.shape, self.rows).output.shape
        return name
