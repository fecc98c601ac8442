"""Gradients of any graph by automatic differentiation: every operation written down once more, with autograd."""

import autograd.numpy as anp
import numpy as np
from autograd import grad

ELEMENTWISE = {
    "relu": lambda x, a: anp.maximum(x, 0),
    "tanh": lambda x, a: anp.tanh(x),
    "sin": lambda x, a: anp.sin(x),
    "sigmoid": lambda x, a: 1 / (1 + anp.exp(-x)),
    "square": lambda x, a: x * x,
    "scale": lambda x, a: x * a["factor"] + a["offset"],
    "flatten": lambda x, a: x,
    "softmax": lambda x, a: anp.exp(x) / anp.sum(anp.exp(x), axis=1, keepdims=True),
}


def tt_weights(cores):
    """W (prod inputs, prod outputs) of any number of cores, by one einsum."""
    d, letters = len(cores), "abcdefghijklmnopqrstuvwxyz"
    ranks, inputs, outputs = letters[: d + 1], letters[d + 1 : 2 * d + 1], letters[2 * d + 1 : 3 * d + 1]
    terms = [ranks[k] + inputs[k] + outputs[k] + ranks[k + 1] for k in range(d)]
    whole = anp.einsum(f"{','.join(terms)}->{inputs}{outputs}", *cores)
    return whole.reshape(int(np.prod(whole.shape[:d])), -1)


def outputs(graph, theta, frozen, x):
    """y (n, outputs) of x (n, features)."""
    values = {0: x}
    for node in graph.nodes:
        parameters = [
            (frozen if part.frozen else theta)[part.range].reshape(part.shape)
            for part in graph.slices[node.first_slice : node.first_slice + node.n_slices]
        ]
        first, *others = (values[number] for number in node.inputs)
        if node.op == "linear":
            y = first @ parameters[0].T + (parameters[1] if len(parameters) > 1 else 0.0)
        elif node.op == "tt_linear":
            d = len(node.attributes["inputs"])
            weights = tt_weights(parameters[:d])
            y = first @ weights[: first.shape[1]] + (parameters[d] if len(parameters) > d else 0.0)
        elif node.op == "add":
            y = first + others[0]
        else:
            y = ELEMENTWISE[node.op](first, node.attributes)
        values[node.output] = y
    return values[graph.nodes[-1].output]


def mean_loss(graph, theta, frozen, x, labels=None, targets=None):
    """Cross-entropy of labels, or the mean squared error."""
    y = outputs(graph, theta, frozen, x)
    if targets is not None:
        return anp.mean((y - targets) ** 2)
    return anp.mean(anp.log(anp.sum(anp.exp(y), axis=1)) - y[np.arange(len(x)), labels])


def gradient(graph, theta, frozen, x, labels=None, targets=None):
    """Of the mean loss by theta, float64."""
    wide = (part.astype(np.float64) for part in (frozen, x))
    return grad(lambda t, f, v: mean_loss(graph, t, f, v, labels, targets))(theta.astype(np.float64), *wide)
