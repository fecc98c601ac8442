"""Gradients of any graph by automatic differentiation: every operation written down once more, with autograd."""

import autograd.numpy as anp
import numpy as np
from autograd import grad


def tt_weights(cores):
    """W (prod inputs, prod outputs) of any number of cores, by one einsum."""
    d, letters = len(cores), "abcdefghijklmnopqrstuvwxyz"
    ranks, inputs, outputs = letters[: d + 1], letters[d + 1 : 2 * d + 1], letters[2 * d + 1 : 3 * d + 1]
    terms = [ranks[k] + inputs[k] + outputs[k] + ranks[k + 1] for k in range(d)]
    whole = anp.einsum(f"{','.join(terms)}->{inputs}{outputs}", *cores)
    return whole.reshape(int(np.prod(whole.shape[:d])), -1)


def tt_linear(inputs, parameters, attributes):
    """One matrix product; an input narrower than W meets its first rows."""
    (x,), d = inputs, len(attributes["inputs"])
    y = x @ tt_weights(parameters[:d])[: x.shape[1]]
    return y + parameters[d] if len(parameters) > d else y


def softmax(x):
    return anp.exp(x) / anp.sum(anp.exp(x), axis=1, keepdims=True)


ORACLES = {
    "linear": lambda inputs, p, a: inputs[0] @ p[0].T + (p[1] if len(p) > 1 else 0.0),
    "tt_linear": tt_linear,
    "parameter": lambda inputs, p, a: p[0].reshape(1, -1),
    "add": lambda inputs, p, a: inputs[0] + inputs[1],
    "relu": lambda inputs, p, a: anp.maximum(inputs[0], 0),
    "tanh": lambda inputs, p, a: anp.tanh(inputs[0]),
    "sin": lambda inputs, p, a: anp.sin(inputs[0]),
    "sigmoid": lambda inputs, p, a: 1 / (1 + anp.exp(-inputs[0])),
    "square": lambda inputs, p, a: inputs[0] * inputs[0],
    "scale": lambda inputs, p, a: inputs[0] * a["factor"] + a["offset"],
    "flatten": lambda inputs, p, a: inputs[0],
    "softmax": lambda inputs, p, a: softmax(inputs[0]),
}
"""y (n, outputs) of every operation from inputs (n, features), parameters and attributes; (1, outputs) of no inputs."""


def outputs(graph, theta, frozen, x):
    """y (n, outputs) of x (n, features)."""
    values = {0: x}
    for node in graph.nodes:
        parameters = graph.parameters(node, theta, frozen)
        inputs = [values[number] for number in node.inputs]
        y = ORACLES[node.op.name](inputs, parameters, node.site.attributes)
        values[node.output] = y if inputs else y + anp.zeros((len(x), 1))
    return values[graph.nodes[-1].output]


def mean_loss(graph, theta, frozen, x, labels=None, targets=None):
    """Cross-entropy of labels, or the mean squared error."""
    y = outputs(graph, theta, frozen, x)
    if targets is not None:
        return anp.mean((y - targets) ** 2)
    return anp.mean(anp.log(anp.sum(anp.exp(y), axis=1)) - y[np.arange(len(x)), labels])


def gradient(graph, theta, frozen, x, labels=None, targets=None):
    """Return the gradient of the mean loss by theta, float64."""
    wide = (part.astype(np.float64) for part in (frozen, x))
    return grad(lambda t, f, v: mean_loss(graph, t, f, v, labels, targets))(theta.astype(np.float64), *wide)
