"""Graphs nobody would write by hand, for tests that must hold for all."""

from math import prod

import numpy as np

from bpfree.graph.layers import assemble
from bpfree.ops import OPS

KINDS = ["linear", "relu", "tanh", "tt_linear", "add", "softmax", "scale", "sin", "sigmoid", "flatten", "parameter"]
KINDS += [op.name for op in OPS if op.elementwise and not op.attributes and op.name not in (*KINDS, "square")]
BOUNDED = {"tanh", "sigmoid", "softmax"}


def random_graph(seed):
    """A chain or a tree of layers, some of them frozen: later nodes may read any earlier tensor."""
    r = np.random.default_rng(seed)
    first = [int(r.integers(1, 40))] if r.random() < 0.7 else [int(v) for v in r.integers(1, 7, 2)]
    rows, names, shapes, kinds = [], ["input"], [first], [""]
    for k in range(int(r.integers(1, 9))):
        source = len(names) - 1 if r.random() < 0.7 else int(r.integers(0, len(names)))
        kind = str(r.choice(KINDS))
        if kind == "sin" and kinds[source] in BOUNDED:  # squares of more could not be compared closely
            kind = "square"
        attributes, shape, inputs = {}, shapes[source], [names[source]]
        if kind == "linear":
            shape = [int(r.integers(1, 60))]
            attributes = {"outputs": shape[0], "bias": bool(r.integers(2))}
        elif kind == "scale":
            attributes = {"factor": 0.5, "offset": 0.25}
        elif kind == "flatten":
            shape = [prod(shape)]
        elif kind == "add":  # with any tensor of this shape, itself and the input among them
            inputs.append(str(r.choice([name for name, s in zip(names, shapes) if s == shape])))
        elif kind == "tt_linear":
            outputs, rank = [int(v) for v in r.integers(1, 5, 2)], int(r.integers(1, 4))
            attributes = {"inputs": [4, -(-prod(shape) // 4)], "outputs": outputs, "ranks": [1, rank, 1]}
            attributes |= {"start": str(r.choice(["left", "right"])), "bias": True}
            shape = [prod(outputs)]
        elif kind == "parameter":  # added to what there is
            rows.append((kind, f"p{k}", [], {"shape": list(shape)}))
            names.append(f"p{k}")
            shapes.append(shape)
            kinds.append(kind)
            kind, inputs = "add", [names[source], f"p{k}"]
        rows.append((kind, f"n{k}", inputs, attributes))
        names.append(f"n{k}")
        shapes.append(shape)
        kinds.append(kind)
    graph = assemble(first, rows)
    frozen = [s.name for s in graph.slices if r.random() < 0.3]
    return assemble(first, rows, frozen=frozen)


def random_rows(graph, seed):
    """{tensor: (row, stride)} of most tensors between two nodes: rows that divide it, gaps of any size."""
    r = np.random.default_rng(seed)
    rows = {}
    for number in range(1, len(graph.tensors)):
        size = graph.tensors[number].size
        if number != graph.nodes[-1].output and r.random() < 0.8:
            row = int(r.choice([d for d in range(1, size + 1) if size % d == 0]))
            rows[number] = (row, row + int(r.integers(0, 4)))
    return rows
