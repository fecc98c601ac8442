# SPDX-License-Identifier: MIT
"""What an operation is: one row of the table, everything Python knows about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bpfree.registry import HostOnly


@dataclass(frozen=True)
class Op:
    """One operation. Functions take the node's attributes and the per-sample input shape.

    number, name: the row; c: the C kernel's symbol, or why there is none.
    attributes: the names it has, all of them required.
    infer: output shape per sample; raises ValueError on attributes that do not fit.
    parameters: [(name, shape), ...] in slice order.
    initialise: arrays for them, from draw(k, size) in [0, 1) and the layer's gain.
    forward(arithmetic, parameters, x, attributes): y; x and y are (features, n).
    arity: inputs, all of one shape; with more than one, forward's x is a tuple.
    macs: multiply-accumulates per sample.
    derivative(arithmetic, x, y, attributes): dy/dx of an elementwise op, from its
    input and output; None: not elementwise.
    curvature(arithmetic, x, y, attributes): its second derivative; None: there is none, it is 0 where it exists.
    tangent(arithmetic, parameters, x, attributes): the linear part of an affine op, y without what is constant.
    taylor(arithmetic, parameters, value, rest, attributes, streams): value (features, n) and streams (features,
    count - 1, n) through an op that is neither elementwise nor affine (:func:`bpfree.ops.taylor.through` knows those).
    slope, slope_reads: the C function that multiplies by dy/dx, None without a derivative, and which
    of "x" and "y" it reads ("": neither).
    matrix(arithmetic, parameters, attributes): W (outputs, inputs) of a linear op,
    y = W x + b; None: not linear in x. matrix_macs(attributes, shape): what making W costs.
    project(arithmetic, parameters, x, delta, attributes, out): gradients of the
    parameters, in slice order, summed over samples: of sum_n delta . y for delta (outputs, n).
    out: room for the first of them, which an op may use; or None.
    project_macs(attributes, shape): what that costs, (a sample, once a batch).
    moves(arithmetic, parameters, x, attributes): y, and how it moves with each parameter,
    in slice order: v (before, after, s, t, n). Parameter as (s, outputs, t), y as (before,
    outputs, after): as element (s, o, t) grows by one, y[b, o, a] does by v[b, a, s, t].
    moves_cost(attributes, shape): its multiply-accumulates per sample, and [(before, after, s, t), ...].
    dense: are the parameters W itself, and b? Then a device adds its gradient up sample by sample.
    to_onnx(attributes, shape, parameters): its nodes in ONNX, rows as bpfree.ops.onnx_rows has them.
    words: the C kernel's attributes; scratch: floats (per sample, fixed) it needs.
    in_place: may its output lie over its first input?
    examples: attributes and input shapes for the tests that run over the table.
    """

    number: int
    name: str
    c: str | HostOnly
    infer: Callable
    forward: Callable
    macs: Callable
    to_onnx: Callable
    parameters: Callable = lambda attributes, shape: []
    initialise: Callable = lambda attributes, shape, draw, gain: []
    words: Callable = lambda attributes, shape: ()
    scratch: Callable = lambda attributes, shape: (0, 0)
    derivative: Callable | None = None
    curvature: Callable | None = None
    tangent: Callable | None = None
    taylor: Callable | None = None
    slope: str | None = None
    slope_reads: str = ""
    matrix: Callable | None = None
    matrix_macs: Callable = lambda attributes, shape: 0
    project: Callable | None = None
    project_macs: Callable | None = None
    moves: Callable | None = None
    moves_cost: Callable | None = None
    dense: bool = False
    attributes: tuple[str, ...] = ()
    arity: int = 1
    in_place: bool = False
    examples: tuple = ()
