"""Small networks of every shape that layer access meets, with data for each loss."""

import numpy as np
from helpers import floats

from bpfree.graph.layers import assemble, initial_parameters

N, CLASSES = 9, 4
LABELS = {"labels": np.random.default_rng(1).integers(0, CLASSES, N).astype(np.uint32)}
TARGETS = {"targets": floats(2, N, CLASSES)}
LOSSES = {"cross_entropy": LABELS, "mse": TARGETS}


def linear(name, source, outputs, bias=True):
    return ("linear", name, [source], {"outputs": outputs, "bias": bias})


def tensor_train(name, source, inputs, outputs, ranks, start="left", bias=True):
    attributes = {"inputs": inputs, "outputs": outputs, "ranks": ranks, "start": start, "bias": bias}
    return ("tt_linear", name, [source], attributes)


GRAPHS = {
    "linear": [linear("head", "input", CLASSES)],
    "one hidden layer": [linear("a", "input", 5), ("relu", "h", ["a"], {}), linear("head", "h", CLASSES, bias=False)],
    "deep": [
        linear("a", "input", 5), ("tanh", "h", ["a"], {}), linear("b", "h", 7), ("sin", "s", ["b"], {}),
        ("scale", "c", ["s"], {"factor": -1.5, "offset": 0.25}), linear("d", "c", 6), ("sigmoid", "g", ["d"], {}),
        linear("head", "g", CLASSES),
    ],
    "tensor trains": [
        tensor_train("a", "input", [3, 4], [4, 2], [1, 3, 1], "right"), ("tanh", "h", ["a"], {}),
        tensor_train("head", "h", [2, 2, 3], [2, 2, 1], [1, 2, 3, 1], bias=False),
    ],
    "skips": [
        linear("a", "input", 6), ("tanh", "h", ["a"], {}), linear("b", "h", 6), ("sin", "s", ["b"], {}),
        ("add", "sum", ["h", "s"], {}), ("add", "again", ["sum", "h"], {}), ("relu", "r", ["again"], {}),
        linear("head", "r", CLASSES),
    ],
    "no layer behind": [linear("a", "input", CLASSES), ("tanh", "h", ["a"], {})],
    "two layers in a row": [linear("a", "input", 3), linear("b", "a", 5), ("softmax", "p", ["b"], {}),
                            linear("head", "p", CLASSES)],
}  # fmt: skip


def network(name, frozen=(), features=11):
    graph = assemble([features], GRAPHS[name], frozen=frozen)
    theta, constants = initial_parameters(graph, seed=5)
    return graph, theta + floats(9, theta.size, scale=0.3), constants + floats(4, constants.size, scale=0.3)
