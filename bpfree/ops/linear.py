# SPDX-License-Identifier: MIT
"""Linear: y = W x + b, weight (outputs, inputs) row-major."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from bpfree.arithmetic import Contraction
from bpfree.errors import check_choice, check_count
from bpfree.ops.onnx_rows import BEFORE, chain, flat
from bpfree.ops.table import Jet, Kernel, Layer, Onnx, Op, Parameters


def infer(attributes, shapes):
    """(outputs,)."""
    check_choice("bias", attributes["bias"], (True, False))
    return (check_count("outputs", attributes["outputs"], 1, 2**24),)


def rows(site):
    """`weight` (outputs, inputs), `bias` (outputs) if `bias`."""
    own = [("weight", (site.outputs, site.features))]
    return own + [("bias", (site.outputs,))] * site.attributes["bias"]


def initialise(site, draw, gain):
    """`weight` is fl(fl(d - 0.5) * w), w = float32 of gain * sqrt(12 / inputs), computed in float64."""
    inputs, outputs = site.features, site.outputs
    width = np.float32(gain * sqrt(12.0 / inputs))
    weight = (draw(0, outputs * inputs).reshape(outputs, inputs) - np.float32(0.5)) * width
    return [weight] + [np.zeros(outputs, np.float32)] * site.attributes["bias"]


def forward(site, arithmetic, parameters, inputs):
    """From the bias (0 without one), over ascending input index."""
    weight, *bias = parameters
    return arithmetic.contract(weight.T, inputs[0][None], bias[0][None, :, None] if bias else 0.0)[0]


def project(site, arithmetic, parameters, inputs, delta, out=None):
    """delta x^T, and the sum of delta: over ascending samples."""
    found = [arithmetic.contract(delta.T, inputs[0].T[None], out=None if out is None else out[None])[0]]
    if site.attributes["bias"]:
        ones = np.ones((1, delta.shape[1], 1), delta.dtype)
        found.append(arithmetic.contract(delta.T, ones)[0, :, 0])
    return found


def moves(site, arithmetic, parameters, inputs):
    """Output o moves by x_i with W_oi, by one with its bias."""
    features, n = inputs[0].shape
    ones = [np.ones((1, 1, 1, 1, 1), inputs[0].dtype)] * site.attributes["bias"]
    return forward(site, arithmetic, parameters, inputs), [inputs[0].reshape(1, 1, 1, features, n), *ones]


def moves_cost(site):
    """Those of the forward pass; W is (1, outputs, inputs)."""
    return macs(site), [(1, 1, 1, site.features)] + [(1, 1, 1, 1)] * site.attributes["bias"]


def contractions(site):
    """The one contraction, whose matrix is the weight transposed."""
    return (Contraction(1, site.outputs, site.features, 1, 0, (1, 0), 1 if site.attributes["bias"] else None),)


def macs(site):
    """One for each weight."""
    return site.features * site.outputs


def to_onnx(site, parameters):
    """One Gemm, the weight as it lies."""
    names = ("weight", "bias")[: len(parameters)]
    constants = dict(zip(names, parameters, strict=True))
    return chain(*flat(site.shape), ("Gemm", (BEFORE, *names), {"transB": 1}, constants))


OP = Op(
    number=0,
    name="linear",
    c="bpfree_op_linear",
    attributes=("outputs", "bias"),
    infer=infer,
    forward=forward,
    macs=macs,
    parameters=Parameters(rows, initialise),
    layer=Layer(
        project=project,
        project_macs=lambda site: (macs(site), 0),
        moves=moves,
        moves_cost=moves_cost,
        added=lambda site: int(site.attributes["bias"]),
        matrix=lambda site, arithmetic, parameters: parameters[0],
        dense=True,
        contractions=contractions,
    ),
    jet=Jet(tangent=lambda site, arithmetic, parameters, inputs: forward(site, arithmetic, parameters[:1], inputs)),
    kernel=Kernel(words=lambda site: (site.features, site.outputs)),
    onnx=Onnx(to_onnx),
    examples=(
        ({"outputs": 5, "bias": True}, ((7,),)),
        ({"outputs": 33, "bias": False}, ((70,),)),
        ({"outputs": 1, "bias": True}, ((1,),)),
    ),
)


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
        return OP, {"outputs": check_count("outputs", self.outputs), "bias": bool(self.bias)}
