# SPDX-License-Identifier: MIT
"""Softmax over all features of a sample: y_c = exp(x_c - max x) / sum_c exp(x_c - max x)."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.ops.onnx_rows import chain, flat, reshape, step
from bpfree.ops.table import Jet, Kernel, Onnx, Op, free, same_shape


def forward(site, arithmetic, parameters, inputs):
    """m = the largest; e_c = exp(fl(x_c - m)); s = sum of e_c over ascending c, from 0; y_c = fl(e_c / s)."""
    exponentials = arithmetic.exp(inputs[0] - inputs[0].max(axis=0))
    return exponentials / arithmetic.sum(exponentials, axis=0)


def taylor(site, arithmetic, parameters, inputs, rests, streams):
    """d_a y = y (d_a x - <y, d_a x>), and of a form y (form x + q - <y, form x + q>).

    q = sum c (d_a x - <y, d_a x>) (d_b x - <y, d_b x>), and <y, v> = sum_c y_c v_c.
    """
    y = forward(site, arithmetic, parameters, inputs)
    centred = _centred(arithmetic, y, rests[0])
    result = y[:, None] * centred
    if streams.terms:
        squares = streams.squares(arithmetic, centred)
        result[:, streams.n_first :] += y[:, None] * _centred(arithmetic, y, squares)
    return y, result


def _centred(arithmetic, y, v):
    return v - arithmetic.sum(y[:, None] * v, axis=0)


def to_onnx(site, parameters):
    """Over one axis, so that of several is made one, and several again."""
    back = [reshape(-1, *site.shape)] * (len(site.shape) > 1)
    return chain(*flat(site.shape), step("Softmax", axis=1), *back)


OP = Op(
    number=7,
    name="softmax",
    c="bpfree_op_softmax",
    infer=same_shape,
    forward=forward,
    macs=free,
    jet=Jet(taylor=taylor),
    kernel=Kernel(scratch=lambda site: (2, 0), in_place=True),
    onnx=Onnx(to_onnx),
    examples=(({}, ((9,),)), ({}, ((1,),)), ({}, ((2, 3),))),
)


@dataclass(frozen=True)
class Softmax:
    """y_c = exp(x_c) / sum_c exp(x_c) over all features of a sample.

    For probabilities at the output; training with softmax cross-entropy takes the scores before it.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.Softmax()]).predict([[3.0, 3.0]], "exact").tolist()
    [[0.5, 0.5]]
    """

    def node(self, shape):
        """Operation and attributes."""
        return OP, {}
