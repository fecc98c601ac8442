# SPDX-License-Identifier: MIT
"""Linear: y = W x + b, weight (outputs, inputs) row-major."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

from bpfree.errors import check_choice, check_count
from bpfree.ops.onnx_rows import BEFORE, chain, flat
from bpfree.ops.table import Op


def infer(attributes, shape):
    """(outputs,)."""
    check_choice("bias", attributes["bias"], (True, False))
    return (check_count("outputs", attributes["outputs"], 1, 2**24),)


def parameters(attributes, shape):
    """Weight, then bias."""
    rows = [("weight", (attributes["outputs"], prod(shape)))]
    return rows + [("bias", (attributes["outputs"],))] * attributes["bias"]


def initialise(attributes, shape, draw, gain):
    """Uniform with variance gain^2 / inputs; biases zero."""
    inputs, outputs = prod(shape), attributes["outputs"]
    width = np.float32(gain * sqrt(12.0 / inputs))
    weight = (draw(0, outputs * inputs).reshape(outputs, inputs) - np.float32(0.5)) * width
    return [weight] + [np.zeros(outputs, np.float32)] * attributes["bias"]


def forward(arithmetic, parameters, x, attributes):
    """Bias first, then ascending input index."""
    weight, *bias = parameters
    return arithmetic.contract(weight.T, x[None], bias[0][None, :, None] if bias else 0.0)[0]


def project(arithmetic, parameters, x, delta, attributes, out=None):
    """delta x^T, and the sum of delta: over ascending samples."""
    found = [arithmetic.contract(delta.T, x.T[None], out=None if out is None else out[None])[0]]
    if attributes["bias"]:
        ones = np.ones((1, delta.shape[1], 1), delta.dtype)
        found.append(arithmetic.contract(delta.T, ones)[0, :, 0])
    return found


def moves(arithmetic, parameters, x, attributes):
    """Output o moves by x_i with W_oi, by one with its bias."""
    features, n = x.shape
    ones = [np.ones((1, 1, 1, 1, n), x.dtype)] * attributes["bias"]
    return forward(arithmetic, parameters, x, attributes), [x.reshape(1, 1, 1, features, n), *ones]


def moves_cost(attributes, shape):
    """Of the forward pass; W is (1, outputs, inputs)."""
    return prod(shape) * attributes["outputs"], [(1, 1, 1, prod(shape))] + [(1, 1, 1, 1)] * attributes["bias"]


def to_onnx(attributes, shape, parameters):
    """One Gemm, the weight as it lies."""
    names = ("weight", "bias")[: len(parameters)]
    constants = dict(zip(names, parameters, strict=True))
    return chain(*flat(shape), ("Gemm", (BEFORE, *names), {"transB": 1}, constants))


OP = Op(
    number=0,
    name="linear",
    c="bpfree_op_linear",
    attributes=("outputs", "bias"),
    infer=infer,
    parameters=parameters,
    initialise=initialise,
    forward=forward,
    macs=lambda attributes, shape: prod(shape) * attributes["outputs"],
    tangent=lambda arithmetic, parameters, x, attributes: forward(arithmetic, parameters[:1], x, attributes),
    matrix=lambda arithmetic, parameters, attributes: parameters[0],
    project=project,
    project_macs=lambda attributes, shape: (prod(shape) * attributes["outputs"], 0),
    moves=moves,
    moves_cost=moves_cost,
    dense=True,
    to_onnx=to_onnx,
    words=lambda attributes, shape: (prod(shape), attributes["outputs"]),
    examples=(
        ({"outputs": 5, "bias": True}, (7,)),
        ({"outputs": 33, "bias": False}, (70,)),
        ({"outputs": 1, "bias": True}, (1,)),
    ),
)
