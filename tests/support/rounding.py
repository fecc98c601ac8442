"""How far apart two float32 forward passes may be, whatever the order of their sums.

A running error analysis in float64 with rounding errors taken as independent (Higham and Mary, A new
approach to probabilistic rounding error analysis, SIAM J. Sci. Comput., 2019): a sum of k rounded
products is off by about sqrt(k) u times the root of the sum of their squares, u = 2^-24, and what the
inputs are off by is carried on with the squares of the weights. Worst cases, k instead of sqrt(k) and
sizes instead of squares, are no use for a tensor train: 25 where results are 50 and differ by 2e-5.
"""

import numpy as np

from bpfree.arithmetic import Fast
from bpfree.ops.runs import run_op

U = 2.0**-24
FUNCTION = 8 * U
"""Error of tanh, sin, sigmoid (absolute) and exp (relative) granted to anyone; onnxruntime's tanh needs 5.5 u."""
DEVIATIONS = 6
"""How many of them a result may be off: the largest of 10^8 normal draws is 5.7."""


def layer_error(node, parameters, x, error):
    """Linear and tensor-train layers; their forward pass over squares gives the sum of the terms' squares."""
    squares = [p**2 for p in parameters]
    bias, terms, carried = (
        node.op.forward(node.site, Fast, squares, (values,)) for values in (0 * x, x**2, error**2)
    )
    if node.op.layer.dense:
        k = len(x) + 1
    else:  # each core multiplies and sums once more
        k = sum(r0 * i for r0, i, _, _ in node.op.layer.train(node.site).cores) + 1
    return np.sqrt(carried - bias + k * U**2 * terms)


def elementwise_error(node, x, y, error):
    """The function's own error, and what it makes of its input's."""
    return np.abs(node.op.elementwise.derivative(node.site, Fast, x, y)) * error + FUNCTION * np.maximum(1, np.abs(y))


def softmax_error(y, error):
    """Scores off by e: results off by a factor of exp(2 e); sums and functions by their own."""
    return y * (np.expm1(2 * error.max(axis=0)) + 2 * FUNCTION + np.sqrt(len(y)) * U)


def forward_tolerance(graph, theta, frozen, x):
    """(n, outputs): what two passes over x (n, features) may differ by, each rounded as it likes."""
    theta, frozen = theta.astype(float), frozen.astype(float)
    values, errors = {0: x.T.astype(float)}, {0: np.zeros(x.T.shape)}
    for node in graph.nodes:
        parameters = graph.parameters(node, theta, frozen)
        inputs, es = tuple(values[t] for t in node.inputs), [errors[t] for t in node.inputs]
        y, name = run_op(node.op, node.site, Fast, parameters, inputs, len(x)), node.op.name
        if not inputs:
            e = np.zeros(y.shape)
        elif parameters:
            e = layer_error(node, parameters, inputs[0], es[0])
        elif name == "softmax":
            e = softmax_error(y, es[0])
        elif name == "add":  # the two may come from one tensor: no squares here
            e = sum(es) + U * np.abs(y)
        elif name == "scale":
            product = node.site.attributes["factor"] * inputs[0]
            e = abs(node.site.attributes["factor"]) * es[0] + U * (np.abs(product) + np.abs(y))
        elif name == "square":
            e = 2 * np.abs(inputs[0]) * es[0] + U * np.abs(y)
        elif name in ("relu", "flatten"):
            e = es[0]
        elif name in ("tanh", "sin", "sigmoid"):
            e = es[0] + FUNCTION
        else:
            e = elementwise_error(node, inputs[0], y, es[0])
        values[node.output], errors[node.output] = y, e
    tiny = 1e-37  # below which results may be flushed to zero
    return DEVIATIONS * np.sqrt(2) * errors[graph.nodes[-1].output].T + tiny
