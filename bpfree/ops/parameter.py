# SPDX-License-Identifier: MIT
"""Parameter: a tensor that is learned and the same for every sample, such as a class token."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_count
from bpfree.ops.onnx_rows import BEFORE, SAMPLES, chain
from bpfree.ops.table import Jet, Layer, Onnx, Op, Parameters, free


def infer(attributes, shapes):
    """The shape that is asked for."""
    return tuple(check_count("shape", size, 1, 2**24) for size in attributes["shape"])


def rows(site):
    """`value` (shape)."""
    return [("value", site.output_shape)]


def initialise(site, draw, gain):
    """`value` is zero."""
    return [np.zeros(site.output_shape, np.float32)]


def forward(site, arithmetic, parameters, inputs):
    """The value, the same for every sample."""
    return parameters[0].reshape(-1, 1)


def project(site, arithmetic, parameters, inputs, delta, out=None):
    """The sum of delta over ascending samples."""
    ones = np.ones((1, delta.shape[1], 1), delta.dtype)
    return [arithmetic.contract(delta.T, ones)[0, :, 0]]


def moves(site, arithmetic, parameters, inputs):
    """Each element moves by one with its own value."""
    value = forward(site, arithmetic, parameters, inputs)
    return value, [np.ones((1, 1, 1, 1, 1), value.dtype)]


def to_onnx(site, parameters):
    """An initialiser, expanded over the samples."""
    shape = np.array(site.output_shape, np.int64)
    return chain(
        ("Concat", (SAMPLES, "shape"), {"axis": 0}, {"shape": shape}),
        ("Expand", ("value", BEFORE), {}, {"value": parameters[0]}),
    )


OP = Op(
    number=11,
    name="parameter",
    c="bpfree_op_parameter",
    attributes=("shape",),
    arity=0,
    infer=infer,
    forward=forward,
    macs=free,
    parameters=Parameters(rows, initialise),
    layer=Layer(
        project=project,
        project_macs=lambda site: (0, 0),
        moves=moves,
        moves_cost=lambda site: (0, [(1, 1, 1, 1)]),
        added=lambda site: 1,
    ),
    jet=Jet(tangent=lambda site, arithmetic, parameters, inputs: np.zeros((site.outputs, 1), parameters[0].dtype)),
    onnx=Onnx(to_onnx),
    examples=(({"shape": [5]}, ()), ({"shape": [2, 3]}, ()), ({"shape": [1]}, ())),
)
