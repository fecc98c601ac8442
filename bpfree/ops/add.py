# SPDX-License-Identifier: MIT
"""Add: y = a + b, two inputs of one shape: what skips are made of."""

from __future__ import annotations

from bpfree.ops.table import Op

OP = Op(
    number=4,
    name="add",
    c="bpfree_op_add",
    arity=2,
    infer=lambda attributes, shape: shape,
    forward=lambda arithmetic, parameters, inputs, attributes: inputs[0] + inputs[1],
    tangent=lambda arithmetic, parameters, inputs, attributes: inputs[0] + inputs[1],
    macs=lambda attributes, shape: 0,
    to_onnx=lambda attributes, shape, parameters: [("Add", ("x0", "x1"), ("y",), {}, {})],
    in_place=True,
    examples=(({}, (9,)), ({}, (2, 3))),
)
