# SPDX-License-Identifier: MIT
"""Softmax over all features of a sample: y_c = exp(x_c - max x) / sum_c exp(x_c - max x)."""

from __future__ import annotations

from bpfree.ops.onnx_rows import chain, flat, reshape, step
from bpfree.ops.table import Op


def forward(arithmetic, parameters, x, attributes):
    """The sum runs over ascending c."""
    exponentials = arithmetic.exp(x - x.max(axis=0))
    return exponentials / arithmetic.sum(exponentials, axis=0)


def taylor(arithmetic, parameters, value, rest, attributes, streams):
    """d_a y = y (d_a x - <y, d_a x>), and of a form y (form x + q - <y, form x + q>).

    q = sum c (d_a x - <y, d_a x>) (d_b x - <y, d_b x>), and <y, v> = sum_c y_c v_c.
    """
    y = forward(arithmetic, parameters, value, attributes)
    centred = _centred(arithmetic, y, rest)
    result = y[:, None] * centred
    if streams.terms:
        squares = streams.squares(arithmetic, centred)
        result[:, streams.n_first :] += y[:, None] * _centred(arithmetic, y, squares)
    return y, result


def _centred(arithmetic, y, v):
    return v - arithmetic.sum(y[:, None] * v, axis=0)


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
    taylor=taylor,
    macs=lambda attributes, shape: 0,
    to_onnx=to_onnx,
    scratch=lambda attributes, shape: (2, 0),
    in_place=True,
    examples=(({}, (9,)), ({}, (1,)), ({}, (2, 3))),
)
