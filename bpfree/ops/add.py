# SPDX-License-Identifier: MIT
"""Add: y = a + b, two inputs of one shape: what skips are made of."""

from __future__ import annotations

from bpfree.ops.table import Jet, Kernel, Onnx, Op, free


def infer(attributes, shapes):
    """The shape of both."""
    if shapes[0] != shapes[1]:
        raise ValueError(f"add expects inputs of one shape, got {list(shapes)}")
    return shapes[0]


def forward(site, arithmetic, parameters, inputs):
    """fl(a + b)."""
    return inputs[0] + inputs[1]


OP = Op(
    number=4,
    name="add",
    c="bpfree_op_add",
    arity=2,
    infer=infer,
    forward=forward,
    macs=free,
    jet=Jet(tangent=forward),
    kernel=Kernel(in_place=True),
    onnx=Onnx(lambda site, parameters: [("Add", ("x0", "x1"), ("y",), {}, {})]),
    examples=(({}, ((9,), (9,))), ({}, ((2, 3), (2, 3)))),
)
