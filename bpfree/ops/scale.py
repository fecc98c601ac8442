# SPDX-License-Identifier: MIT
"""Scale: y = fl(fl(factor x) + offset) with two constants, such as a normalisation of inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_finite
from bpfree.ops.onnx_rows import BEFORE, chain
from bpfree.ops.table import Jet, Kernel, elementwise_op


def infer(attributes, shapes):
    """The input's shape."""
    for name in ("factor", "offset"):
        check_finite(name, attributes[name])
    return shapes[0]


def forward(site, arithmetic, parameters, inputs):
    """fl(fl(x factor) + offset), both float32 numbers."""
    real = inputs[0].dtype.type
    return inputs[0] * real(site.attributes["factor"]) + real(site.attributes["offset"])


def words(site):
    """Bits of factor and offset."""
    pair = site.attributes["factor"], site.attributes["offset"]
    return tuple(np.array(pair, np.float32).view(np.uint32).tolist())


def to_onnx(site, parameters):
    """Mul, then Add: two roundings here too."""
    factor, offset = ({name: np.array(site.attributes[name], np.float32)} for name in ("factor", "offset"))
    return chain(("Mul", (BEFORE, "factor"), {}, factor), ("Add", (BEFORE, "offset"), {}, offset))


def derivative(site, arithmetic, x, y):
    """The factor."""
    return np.full_like(x, site.attributes["factor"])


OP = elementwise_op(
    "scale",
    forward,
    number=6,
    attributes=("factor", "offset"),
    infer=infer,
    macs=lambda site: site.outputs,
    derivative=derivative,
    jet=Jet(
        tangent=lambda site, arithmetic, parameters, inputs: (
            inputs[0] * inputs[0].dtype.type(site.attributes["factor"])
        )
    ),
    kernel=Kernel(words=words, in_place=True),
    onnx=to_onnx,
    examples=(({"factor": 0.0625, "offset": 0.0}, ((9,),)), ({"factor": -1.7, "offset": 0.3}, ((2, 3),))),
)


@dataclass(frozen=True)
class Scale:
    """y = factor x + offset with two constants, such as a normalisation of inputs.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.Scale(0.5, -1.0)]).predict([[0.0, 4.0]], "exact").tolist()
    [[-1.0, 1.0]]
    """

    factor: float
    offset: float = 0.0

    def __post_init__(self):
        for name in ("factor", "offset"):
            check_finite(name, getattr(self, name))

    def node(self, shape):
        """Operation and attributes, rounded to float32."""
        return OP, {"factor": float(np.float32(self.factor)), "offset": float(np.float32(self.offset))}
