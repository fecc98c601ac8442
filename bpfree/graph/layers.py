# SPDX-License-Identifier: MIT
"""Layers as a user writes them, and how they become a graph with initial weights."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from bpfree import rng
from bpfree.errors import check_count, check_finite, check_positive, check_seed
from bpfree.graph import INPUT, Graph, Node, Tensor, layout
from bpfree.ops import OPS
from bpfree.tt.shapes import TTShape, plan_shape, uniform_ranks


@dataclass(frozen=True)
class Linear:
    """y = W x + b; weight (outputs, inputs).

    Initial weights are uniform with variance gain^2 / inputs, biases zero.

    >>> import bpfree as bf
    >>> bf.Sequential(4, [bf.Linear(3)]).graph.n_theta
    15
    """

    outputs: int
    bias: bool = True
    gain: float = 1.0

    def node(self, shape):
        """Operation and attributes for this input shape."""
        return "linear", {"outputs": check_count("outputs", self.outputs), "bias": bool(self.bias)}


class TTLinear:
    """y = x W + b with W in tensor-train format (Novikov et al., NeurIPS 2015).

    TTLinear(1024, rank=6) plans the factors: least multiply-accumulates within
    `max_parameters` (default: 1.5 times the fewest possible).
    TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6) takes them as given; an input
    narrower than prod(inputs) is padded with zeros. `rank` is one number for
    all inner ranks, or the inner ranks. Initial weights have mean square
    gain^2 / inputs exactly.

    >>> import bpfree as bf
    >>> bf.Sequential(784, [bf.TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6)]).graph.n_theta  # dense: 803,840
    2848
    """

    def __init__(self, *sizes, rank, bias: bool = True, gain: float = 1.0, max_parameters: int | None = None):
        if len(sizes) not in (1, 2) or any((len(sizes) == 1) != np.isscalar(size) for size in sizes):
            raise TypeError(
                "TTLinear: expected TTLinear(outputs, rank=r) or TTLinear((I1, .., Id), (O1, .., Od), rank=r), "
                f"got {sizes!r}"
            )
        if len(sizes) == 2 and max_parameters is not None:
            raise TypeError("max_parameters: only for planned shapes, got it with given factors")
        self.sizes, self.rank, self.bias, self.gain = sizes, rank, bool(bias), gain
        self.max_parameters = max_parameters
        if max_parameters is not None:
            check_count("max_parameters", max_parameters)

    def shape(self, features: int) -> TTShape:
        """The cores' shapes for an input of this many features."""
        if len(self.sizes) == 1:
            outputs = check_count("outputs", self.sizes[0])
            return plan_shape(features, outputs, check_count("rank", self.rank), self.max_parameters)
        inputs, outputs = (tuple(check_count("factors", f) for f in sizes) for sizes in self.sizes)
        if len(inputs) != len(outputs):
            raise ValueError(f"factors: expected as many outputs as inputs, got {inputs} and {outputs}")
        if np.isscalar(self.rank):
            return TTShape(inputs, outputs, uniform_ranks(inputs, outputs, check_count("rank", self.rank)))
        return TTShape(inputs, outputs, (1, *(check_count("rank", r) for r in self.rank), 1))

    def node(self, shape):
        """Operation and attributes for this input shape: factors, ranks and the cheaper sweep."""
        tt = self.shape(prod(shape))
        attributes = {
            "inputs": list(tt.inputs),
            "outputs": list(tt.outputs),
            "ranks": list(tt.ranks),
            "start": tt.cheaper_sweep().start,
            "bias": self.bias,
        }
        return "tt_linear", attributes


@dataclass(frozen=True)
class ReLU:
    """y = max(x, 0), elementwise.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.ReLU()]).predict([[-1.0, 2.0]], "exact").tolist()
    [[0.0, 2.0]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return "relu", {}


@dataclass(frozen=True)
class Tanh:
    """y = tanh(x), elementwise.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.Tanh()]).predict([[0.0, 100.0]], "exact").tolist()
    [[0.0, 1.0]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return "tanh", {}


@dataclass(frozen=True)
class Sin:
    """y = sin(x), elementwise.

    >>> import bpfree as bf
    >>> bf.Sequential(1, [bf.Sin()]).predict([[0.0]], "exact").tolist()
    [[0.0]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return "sin", {}


@dataclass(frozen=True)
class Sigmoid:
    """y = 1 / (1 + exp(-x)), elementwise.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.Sigmoid()]).predict([[0.0, 100.0]], "exact").tolist()
    [[0.5, 1.0]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return "sigmoid", {}


@dataclass(frozen=True)
class Square:
    """y = x^2, elementwise.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.Square()]).predict([[-3.0, 0.5]], "exact").tolist()
    [[9.0, 0.25]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return "square", {}


@dataclass(frozen=True)
class Softmax:
    """y_c = exp(x_c) / sum_c exp(x_c) over all features of a sample.

    For probabilities at the output; training with softmax cross-entropy takes the scores before it.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.Softmax()]).predict([[3.0, 3.0]], "exact").tolist()
    [[0.5, 0.5]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return "softmax", {}


@dataclass(frozen=True)
class Flatten:
    """The same numbers as one vector a sample.

    >>> import bpfree as bf
    >>> bf.Sequential((2, 3), [bf.Flatten()]).graph.output.shape
    (6,)
    """

    def node(self, shape):
        """Operation and attributes."""
        return "flatten", {}


@dataclass(frozen=True)
class Scale:
    """y = factor x + offset with two constants, such as a normalisation of inputs.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.Scale(0.5, -1.0)]).predict([[0.0, 4.0]], "exact").tolist()
    [[-1.0, 1.0]]
    """

    factor: float
    offset: float = 0.0

    def node(self, shape):
        """Operation and attributes, rounded to float32."""
        pair = (check_finite("factor", self.factor), check_finite("offset", self.offset))
        return "scale", dict(zip(("factor", "offset"), map(float, np.float32(pair)), strict=True))


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

    Each row's output is a tensor of the row's name. Shapes, slices, offsets
    and random blocks all follow from the operations. `frozen` names the slices
    that live in the frozen vector.
    """
    tensors = [Tensor(INPUT, tuple(check_count("input shape", size) for size in input_shape))]
    numbers = {INPUT: 0}
    built, rows = [], []
    for layer, (op, name, inputs, attributes) in enumerate(nodes):
        if name in numbers:
            raise ValueError(f"node name: expected names to be unique, got {name!r} twice")
        unknown = [tensor for tensor in inputs if tensor not in numbers]
        if unknown or not inputs:
            raise ValueError(f"node {name!r}: expected inputs among {sorted(numbers)}, got {list(inputs)}")
        if len(inputs) != OPS[op].arity:
            wanted = f"{OPS[op].arity} input{'s' * (OPS[op].arity > 1)}"
            raise ValueError(f"node {name!r}: {op} expects {wanted}, got {len(inputs)}")
        shape, *others = (tensors[numbers[tensor]].shape for tensor in inputs)
        if any(other != shape for other in others):
            raise ValueError(f"node {name!r}: {op} expects inputs of one shape, got {[shape, *others]}")
        if not isinstance(attributes, dict) or set(attributes) != set(OPS[op].attributes):
            wanted = sorted(OPS[op].attributes)
            raise ValueError(f"node {name!r} ({op}): expected attributes {wanted}, got {attributes!r}")
        try:
            output = OPS[op].infer(attributes, shape)
            parameters = OPS[op].parameters(attributes, shape)
        except (KeyError, TypeError) as error:
            raise ValueError(f"node {name!r} ({op}): attributes do not fit: {error}") from None
        numbers[name] = len(tensors)
        tensors.append(Tensor(name, tuple(output)))
        sources = tuple(numbers[tensor] for tensor in inputs)
        built.append(Node(op, name, sources, numbers[name], len(rows), len(parameters), attributes))
        rows += [(f"{name}.{part}", shape, layer, f"{name}.{part}" in frozen) for part, shape in parameters]
    if not built:
        raise ValueError("layers: expected at least one, got none")
    unknown = set(frozen) - {row[0] for row in rows}
    if unknown:
        raise ValueError(f"frozen: expected names of parameters, got {sorted(unknown)}")
    return Graph(tuple(built), tuple(tensors), layout(rows))


def initial_parameters(graph: Graph, seed: int, gains=None) -> tuple[np.ndarray, np.ndarray]:
    """theta and frozen, float32: slice k is drawn with key (seed, k), the same bits on every machine."""
    check_seed(seed)
    theta, frozen = np.zeros(graph.n_theta, np.float32), np.zeros(graph.n_frozen, np.float32)
    for k, node in enumerate(graph.nodes):
        gain = check_positive("gain", gains[k]) if gains else 1.0
        shape = graph.tensors[node.inputs[0]].shape

        def draw(part, size, first=node.first_slice):
            return rng.uniform(seed, first + part, size)

        values = OPS[node.op].initialise(node.attributes, shape, draw, gain)
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
            return self._node("add", {}, [source, end])
        if isinstance(layer, type) or not hasattr(layer, "node"):
            raise TypeError(f"layers: expected layers such as Linear(10), got {layer!r}")
        op, attributes = layer.node(self._shapes[source])
        return self._node(op, attributes, [source], getattr(layer, "gain", 1.0))

    def _node(self, op, attributes, inputs, gain: float = 1.0) -> str:
        name = f"{op}{len(self.rows) + 1}"
        self.rows.append((op, name, inputs, attributes))
        self.gains.append(gain)
        self._shapes[name] = assemble(self.shape, self.rows).output.shape
        return name
