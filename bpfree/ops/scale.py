# SPDX-License-Identifier: MIT
"""Scale: y = fl(fl(factor x) + offset) with two constants, such as a normalisation of inputs."""

from __future__ import annotations

from math import prod

import numpy as np

from bpfree.errors import check_finite
from bpfree.ops.onnx_rows import BEFORE, chain
from bpfree.ops.table import Op


def infer(attributes, shape):
    """The input's shape."""
    for name in ("factor", "offset"):
        check_finite(name, attributes[name])
    return shape


def forward(arithmetic, parameters, x, attributes):
    """Two roundings, as in C."""
    return x * x.dtype.type(attributes["factor"]) + x.dtype.type(attributes["offset"])


def words(attributes, shape):
    """Bits of factor and offset."""
    return tuple(np.array([attributes["factor"], attributes["offset"]], np.float32).view(np.uint32).tolist())


def to_onnx(attributes, shape, parameters):
    """Mul, then Add: two roundings here too."""
    factor, offset = ({name: np.array(attributes[name], np.float32)} for name in ("factor", "offset"))
    return chain(("Mul", (BEFORE, "factor"), {}, factor), ("Add", (BEFORE, "offset"), {}, offset))


OP = Op(
    number=6,
    name="scale",
    c="bpfree_op_scale",
    attributes=("factor", "offset"),
    infer=infer,
    forward=forward,
    macs=lambda attributes, shape: prod(shape),
    words=words,
    tangent=lambda arithmetic, parameters, x, attributes: x * x.dtype.type(attributes["factor"]),
    derivative=lambda arithmetic, x, y, attributes: np.full_like(x, attributes["factor"]),
    slope="bpfree_slope_scale",
    to_onnx=to_onnx,
    in_place=True,
    examples=(({"factor": 0.0625, "offset": 0.0}, (9,)), ({"factor": -1.7, "offset": 0.3}, (2, 3))),
)
