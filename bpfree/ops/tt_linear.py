# SPDX-License-Identifier: MIT
"""TTLinear: y = x W + b with W a tensor train, contracted core by core.

W[(i1..id), (o1..od)] = G1[:, i1, o1, :] ... Gd[:, id, od, :]. An input
narrower than prod(inputs) is padded with zeros.
"""

from __future__ import annotations

from math import prod

import numpy as np

from bpfree.errors import check_choice, check_count
from bpfree.ops.onnx_rows import BEFORE, chain, reshape, step, widened
from bpfree.ops.table import Op
from bpfree.tt.cores import initialise_cores
from bpfree.tt.halves import middle_of, onto_cores, onto_cores_macs, product_macs, products, split, swapped
from bpfree.tt.shapes import TTShape

_SIZES = ("inputs", "outputs", "ranks")
"""Attributes that a TTShape is made of."""


def tt_shape(attributes) -> TTShape:
    """The layer's shape."""
    return TTShape(*(tuple(attributes[key]) for key in _SIZES))


def infer(attributes, shape):
    """(prod outputs,)."""
    for key in _SIZES:
        for size in attributes[key]:
            check_count(key, size)
    tt = tt_shape(attributes)
    check_choice("start", attributes["start"], ("left", "right"))
    check_choice("bias", attributes["bias"], (True, False))
    if prod(tt.inputs) < prod(shape):
        raise ValueError(f"inputs: expected a product >= {prod(shape)} features, got {tt.inputs}")
    return (prod(tt.outputs),)


def parameters(attributes, shape):
    """Cores left to right, then bias."""
    tt = tt_shape(attributes)
    rows = [(f"core{k}", core) for k, core in enumerate(tt.cores)]
    return rows + [("bias", (prod(tt.outputs),))] * attributes["bias"]


def initialise(attributes, shape, draw, gain):
    """W with mean square gain^2 / inputs exactly; biases zero."""
    tt = tt_shape(attributes)
    cores = initialise_cores(tt, gain ** 2 / prod(shape), draw)
    return cores + [np.zeros(prod(tt.outputs), np.float32)] * attributes["bias"]


def forward(arithmetic, parameters, x, attributes):
    """Sweep from the stored end; the last core accumulates from the bias."""
    tt = tt_shape(attributes)
    cores, bias = parameters[: len(tt.inputs)], parameters[len(tt.inputs) :]
    start = bias[0] if bias else np.zeros(prod(tt.outputs), x.dtype)
    sweep = _from_left if attributes["start"] == "left" else _from_right
    return sweep(arithmetic, cores, _padded(x, tt), start)


def tangent(arithmetic, parameters, x, attributes):
    """The cores without the bias."""
    return forward(arithmetic, parameters[: len(attributes["inputs"])], x, attributes)


def _padded(x, tt):
    """x with zeros up to prod(inputs)."""
    features, n = x.shape
    if features == prod(tt.inputs):
        return x
    return np.concatenate([x, np.zeros((prod(tt.inputs) - features, n), x.dtype)])


def _from_left_through(arithmetic, core, x, parts, start=0.0):
    """(o1..o(k-1), (r, ik), rest) to (o1..o(k-1), (ok, r'), rest)."""
    r0, i, o, r1 = core.shape
    return arithmetic.contract(core.reshape(r0 * i, o * r1), x.reshape(parts, r0 * i, -1), start)


def _from_right_through(arithmetic, core, x, parts, start=0.0):
    """(i1..i(k-1), (ik, r'), rest) to (i1..i(k-1), (r, ok), rest)."""
    r0, i, o, r1 = core.shape
    matrix = np.ascontiguousarray(core.transpose(1, 3, 0, 2)).reshape(i * r1, r0 * o)
    return arithmetic.contract(matrix, x.reshape(parts, i * r1, -1), start)


def _from_left(arithmetic, cores, x, bias):
    """x: (o1..o(k-1), (r, ik), (i(k+1)..id, n)) before core k."""
    n, parts = x.shape[1], 1
    for k, core in enumerate(cores):
        o = core.shape[2]
        start = bias.reshape(parts, o, 1) if k + 1 == len(cores) else 0.0
        x = _from_left_through(arithmetic, core, x, parts, start)
        parts *= o
    return x.reshape(-1, n)


def _from_right(arithmetic, cores, x, bias):
    """x: ((i1..i(k-1)), (ik, r'), (o(k+1)..od, n)) before core k."""
    n, prefix = x.shape[1], x.shape[0]
    for k in reversed(range(len(cores))):
        prefix //= cores[k].shape[1]
        start = 0.0 if k else np.repeat(bias.reshape(1, cores[0].shape[2], -1), n, axis=2)
        x = _from_right_through(arithmetic, cores[k], x, prefix, start)
    return x.reshape(-1, n)


def matrix(arithmetic, parameters, attributes):
    """W (outputs, inputs) from the products of either half of the cores; inputs without those that are padded."""
    tt = tt_shape(attributes)
    left, right = products(arithmetic, parameters[: len(tt.inputs)])
    (o1, i1, rank), (_, o2, i2) = left.shape, right.shape
    whole = arithmetic.contract(left.reshape(-1, rank).T, right.reshape(1, rank, -1))[0]
    return swapped(whole, o1, i1, o2, i2).reshape(o1 * o2, i1 * i2)


def matrix_macs(attributes, shape):
    """Of the products of either half, and of both."""
    (left, wide), (right, wider) = map(product_macs, split(tt_shape(attributes).cores))
    return left + right + wide * wider


def project_macs(attributes, shape):
    """A sample's share in the gradient of W; and once, of the halves, of contracting with each, of the cores."""
    tt = tt_shape(attributes)
    halves = split(tt.cores)
    (left, wide), (right, wider) = map(product_macs, halves)
    return prod(shape) * prod(tt.outputs), left + right + 2 * wide * wider + sum(map(onto_cores_macs, halves))


def moves(arithmetic, parameters, x, attributes):
    """x contracted with all cores but one, for each core; from the last core of the stored sweep, y.

    Core k finishes what a sweep from one side has when it gets there, with the cores
    of the other side: from the right for the first cores, from the left for the others.
    """
    tt = tt_shape(attributes)
    d, n = len(tt.inputs), x.shape[1]
    cores, cut = parameters[:d], tt.cheapest_cut()[0]
    bias = parameters[d] if attributes["bias"] else np.zeros(prod(tt.outputs), x.dtype)
    wide = x = _padded(x, tt)
    found = [None] * d
    for k in range(d) if cut < d else ():  # wide: (o1..o(k-1), (r, ik), i(k+1)..id, n)
        before = prod(tt.outputs[:k])
        if k >= cut:
            rows, own = before * tt.ranks[k] * tt.inputs[k], wide
            for j in reversed(range(k + 1, d)):
                own = _from_right_through(arithmetic, cores[j], own, rows * prod(tt.inputs[k + 1 : j]))
            found[k] = own
        if k + 1 < d:
            wide = _from_left_through(arithmetic, cores[k], wide, before)
    wide = x
    for k in reversed(range(d)) if cut else ():  # wide: (i1..i(k-1), (ik, r'), o(k+1)..od, n)
        if k < cut:
            own = wide
            for j in range(k):
                own = _from_left_through(arithmetic, cores[j], own, prod(tt.outputs[:j]))
            found[k] = own
        if k:
            wide = _from_right_through(arithmetic, cores[k], wide, prod(tt.inputs[:k]))
    sizes = moves_cost(attributes, x.shape[:1])[1]
    turned = [
        np.ascontiguousarray(own.reshape(before, s, t, after, n).transpose(0, 3, 1, 2, 4))
        for own, (before, after, s, t) in zip(found, sizes)
    ]
    if attributes["start"] == "left":
        start = bias.reshape(-1, tt.outputs[-1], 1)
        y = _from_left_through(arithmetic, cores[-1], found[-1], len(start), start)
    else:
        start = np.repeat(bias.reshape(1, tt.outputs[0], -1), n, axis=2)
        y = _from_right_through(arithmetic, cores[0], found[0], 1, start)
    return y.reshape(-1, n), turned + [np.ones((1, 1, 1, 1, n), x.dtype)] * attributes["bias"]


def moves_cost(attributes, shape):
    """Core k as (r ik, ok, r'), outputs as (o1..o(k-1), ok, o(k+1)..od)."""
    tt = tt_shape(attributes)
    sizes = [
        (prod(tt.outputs[:k]), prod(tt.outputs[k + 1 :]), r0 * i, r1) for k, (r0, i, _, r1) in enumerate(tt.cores)
    ]
    last = tt.cores[-1] if attributes["start"] == "left" else tt.cores[0]
    macs = tt.cheapest_cut()[1] + prod(last) * prod(tt.outputs) // last[2]
    return macs, sizes + [(1, 1, 1, 1)] * attributes["bias"]


def project(arithmetic, parameters, x, delta, attributes, out=None):
    """The gradient of W, once for the batch, contracted with either half and so projected onto the other's cores.

    And the sum of delta.
    """
    tt = tt_shape(attributes)
    d, n = len(tt.inputs), delta.shape[1]
    cores = parameters[:d]
    left, right = products(arithmetic, cores)
    (o1, i1, rank), (_, o2, i2) = left.shape, right.shape
    of_w = arithmetic.contract(delta.T, x.T[None])[0]
    if x.shape[0] < i1 * i2:
        of_w = np.pad(of_w, ((0, 0), (0, i1 * i2 - x.shape[0])))
    of_w = swapped(of_w, o1, o2, i1, i2).reshape(o1 * i1, o2 * i2)
    of_right = arithmetic.contract(left.reshape(-1, rank), of_w[None])[0]  # (r, o2 i2)
    of_left = arithmetic.contract(right.reshape(rank, -1).T, of_w.T[None])[0].T  # (o1 i1, r)
    middle = middle_of(cores)
    gradients = onto_cores(arithmetic, cores[:middle], of_left.reshape(1, o1, i1, rank))
    if middle < d:
        gradients += onto_cores(arithmetic, cores[middle:], of_right.reshape(rank, o2, i2, 1))
    if attributes["bias"]:
        gradients.append(arithmetic.contract(delta.T, np.ones((1, n, 1), delta.dtype))[0, :, 0])
    return gradients


def _buffers(attributes, shape):
    """Scratch offsets of the second buffer, the padded input and one slice, and its end."""
    tt = tt_shape(attributes)
    from_right = attributes["start"] == "right"
    first, second = (tt.reversed() if from_right else tt).sweep_buffers()
    padded = prod(tt.inputs) if prod(shape) < prod(tt.inputs) else 0
    part = prod(tt.outputs[:-1]) if from_right and tt.outputs[-1] > 1 else 0
    return first, first + second, first + second + padded, first + second + padded + part


def words(attributes, shape):
    """{d, from_right, keep, features, second, padded, part, I.., O.., r..}."""
    tt = tt_shape(attributes)
    second, padded, part, _ = _buffers(attributes, shape)
    head = (len(tt.inputs), int(attributes["start"] == "right"), int(_keeps_cores(attributes)), prod(shape))
    return (*head, second, padded, part, *tt.inputs, *tt.outputs, *tt.ranks)


def macs(attributes, shape):
    """Of the sweep that is taken."""
    tt = tt_shape(attributes)
    return (tt if attributes["start"] == "left" else tt.reversed()).sweep_macs()


def _keeps_cores(attributes) -> bool:
    """Should a device hold all perturbed cores at once?

    Loading one element takes about as long as three multiply-accumulates, and
    cores are loaded once a slice unless they are kept: keep them where loading
    would take longer than contracting. Those layers are small.
    """
    tt = tt_shape(attributes)
    slices = tt.outputs[0 if attributes["start"] == "left" else -1]
    return 3 * slices * tt.n_parameters > macs(attributes, None)


def scratch(attributes, shape):
    """Intermediates of one slice per sample; one core, or all."""
    tt = tt_shape(attributes)
    room = tt.n_parameters if _keeps_cores(attributes) else max(prod(core) for core in tt.cores)
    return _buffers(attributes, shape)[3], room


def to_onnx(attributes, shape, parameters):
    """The sweep from the stored end, samples last: 4 d + 3 nodes, one less without bias, one more with padding.

    Before a core the values are (r, i, rest, done, n), samples last; its matrix
    makes (r', o, rest, done, n) of them. From the left, o moves behind `done`:
    outputs come in order, but for the last core's, which the transposition
    that puts samples first moves behind. From the right inputs are turned
    round first, and o moves before `done`.
    """
    tt, left = tt_shape(attributes), attributes["start"] == "left"
    d, rest, done = len(tt.inputs), prod(tt.inputs), 1
    cores = [(f"core{k}", parameters[k] if left else parameters[k].transpose(3, 1, 2, 0)) for k in range(d)]
    steps = widened(shape, rest)
    if left:
        steps += [step("Transpose", perm=[1, 0])]
    else:
        steps += [reshape(-1, *tt.inputs), step("Transpose", perm=list(range(d, -1, -1)))]
    for name, core in cores if left else reversed(cores):
        r0, i, o, r1 = core.shape
        matrix = core.transpose(3, 2, 0, 1).reshape(r1 * o, r0 * i)
        rest //= i
        steps += [reshape(r0 * i, -1), ("MatMul", (name, BEFORE), {}, {name: matrix})]
        steps += [reshape(r1, o, rest * done if left else rest, -1), step("Transpose", perm=[0, 2, 1, 3])]
        done *= o
    if left:
        steps[-2:] = [reshape(o, done // o, -1), step("Transpose", perm=[2, 1, 0]), reshape(-1, done)]
    else:
        steps[-2:] = [reshape(done, -1), step("Transpose", perm=[1, 0])]
    if attributes["bias"]:
        steps += [("Add", (BEFORE, "bias"), {}, {"bias": parameters[d]})]
    return chain(*steps)


def _example(inputs, outputs, ranks, start, features=None):
    attributes = {"inputs": inputs, "outputs": outputs, "ranks": ranks, "start": start, "bias": True}
    return attributes, (features or prod(inputs),)


OP = Op(
    number=1,
    name="tt_linear",
    c="bpfree_op_tt_linear",
    attributes=("inputs", "outputs", "ranks", "start", "bias"),
    infer=infer,
    parameters=parameters,
    initialise=initialise,
    forward=forward,
    macs=macs,
    words=words,
    tangent=tangent,
    matrix=matrix,
    matrix_macs=matrix_macs,
    project=project,
    project_macs=project_macs,
    moves=moves,
    moves_cost=moves_cost,
    to_onnx=to_onnx,
    scratch=scratch,
    examples=(
        _example([3, 4], [4, 2], [1, 3, 1], "left"),
        _example([3, 4], [4, 2], [1, 3, 1], "right"),
        _example([2, 3, 4], [3, 1, 2], [1, 4, 3, 1], "left"),
        _example([2, 3, 4], [3, 2, 1], [1, 4, 3, 1], "right"),
        _example([2, 2, 3, 4], [3, 2, 1, 5], [1, 2, 5, 3, 1], "left", features=41),
        _example([2, 2, 3, 4], [3, 2, 1, 5], [1, 2, 5, 3, 1], "right", features=41),
        _example([6], [7], [1, 1], "left"),
    ),
)
