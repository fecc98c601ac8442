# SPDX-License-Identifier: MIT
"""Softmax over all features of a sample: y_c = exp(x_c - max x) / sum_c exp(x_c - max x)."""

from __future__ import annotations

from bpfree.ops.onnx_rows import chain, flat, reshape, step
from bpfree.ops.table import Op


def forward(arithmetic, parameters, x, attributes):
    """The sum runs over ascending c."""
    exponentials = arithmetic.exp(x - x.max(axis=0))
    return exponentials / arithmetic.sum(exponentials, axis=0)


def to_onnx(attributes, shape, parameters):
    """Over one axis, so that of several is made one, and several again."""
    back = [reshape(-1, *shape)] * (len(shape) > 1)
    return chain(*flat(shape), step("Softmax", axis=1), *back)


OP = Op(
    number=7,
    name="softmax",
    c="bpfree_op_softmax",
    infer=lambda attributes, shape: shape,
    forward=forward,
    macs=lambda attributes, shape: 0,
    to_onnx=to_onnx,
    scratch=lambda attributes, shape: (2, 0),
    in_place=True,
    examples=(({}, (9,)), ({}, (1,)), ({}, (2, 3))),
)
