# SPDX-License-Identifier: MIT
"""TTLinear: y = x W + b with W a tensor train, contracted core by core.

W[(i1..id), (o1..od)] = G1[:, i1, o1, :] ... Gd[:, id, od, :]. An input
narrower than prod(inputs) is padded with zeros.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import accumulate
from math import prod

import numpy as np

from bpfree.arithmetic import Contraction, widened
from bpfree.errors import check_choice, check_count
from bpfree.ops.table import Jet, Kernel, Layer, LayerOnDevice, Onnx, Op, Parameters
from bpfree.ops.tt_onnx import sweep_rows
from bpfree.tt.cores import initialise_cores
from bpfree.tt.halves import product_macs, products, split, swapped
from bpfree.tt.shapes import TTShape, plan_shape, uniform_ranks

_SIZES = ("inputs", "outputs", "ranks")
"""Attributes that a TTShape is made of."""

_LEFT, _RIGHT = (0, 1, 2, 3), (1, 3, 0, 2)
"""Axes of a core (r, I, O, r') as the matrix of a sweep: ((r, I), (O, r')) from the left, ((I, r'), (r, O)) else."""


def tt_shape(attributes) -> TTShape:
    """The layer's shape, from its attributes."""
    return TTShape(*(tuple(attributes[key]) for key in _SIZES))


def infer(attributes, shapes):
    """(prod outputs,)."""
    for key in _SIZES:
        for size in attributes[key]:
            check_count(key, size)
    tt = tt_shape(attributes)
    check_choice("start", attributes["start"], ("left", "right"))
    check_choice("bias", attributes["bias"], (True, False))
    if prod(tt.inputs) < prod(shapes[0]):
        raise ValueError(f"inputs: expected a product >= {prod(shapes[0])} features, got {tt.inputs}")
    return (prod(tt.outputs),)


def rows(site):
    """`core0`, `core1`, .. each (r, I, O, r'), `bias` (outputs) if `bias`."""
    own = [(f"core{k}", core) for k, core in enumerate(tt_shape(site.attributes).cores)]
    return own + [("bias", (site.outputs,))] * site.attributes["bias"]


def initialise(site, draw, gain):
    """Each core is fl(fl(d - 0.5) * w). In float64, variance = gain^2 / features,
    sigma = (variance / prod(all ranks))^(1 / (2 d)), its mantissa in [0.5, 1) rounded to a multiple of 2^-12 (half
    to even); w = float32 of sqrt(12) * sigma. Then the last core is multiplied, in float32, by float32 of
    sqrt(variance * prod(I) * prod(O) / |W|^2), where |W|^2 is computed in float64 by Gram matrices: gram = 1; for each
    core A (r, IO, r'): half[b, s, p] = sum over ascending a of gram[a, b] A[a, s, p]; gram[p, q] = sum over ascending
    (b, s) of half[b, s, p] A[b, s, q].
    """
    cores = initialise_cores(tt_shape(site.attributes), gain**2 / site.features, draw)
    return cores + [np.zeros(site.outputs, np.float32)] * site.attributes["bias"]


def forward(site, arithmetic, parameters, inputs):
    """An input shorter than prod(I) is extended with zeros. `start` is "left" or "right", where the sweep
    begins. From the left, before core k the values are (o1..o(k-1), (r, ik), i(k+1)..id); each new value starts from 0
    and sums over ascending (r, ik). From the right, they are (i1..i(k-1), (ik, r'), o(k+1)..od), summed over ascending
    (ik, r'). The last core to be contracted starts from the bias, or 0. Terms with a zero input are added like any
    other.
    """
    return _end(_sweep(contractions(site), arithmetic, parameters, inputs[0]))


def partials(site, arithmetic, parameters, inputs):
    """y (outputs, n), and the x that each contraction of the sweep starts from."""
    *kept, y = _sweep(contractions(site), arithmetic, parameters, inputs[0])
    return y, kept


def _sweep(steps, arithmetic, parameters, x):
    """Yield what each contraction starts from, and at last y."""
    x = widened(x, steps[0].inputs)
    for step in steps:
        yield x
        x = step.run(arithmetic, parameters, x)
    yield x


def _end(sweep):
    """y of a sweep; what lies on the way to it is not kept."""
    return deque(sweep, maxlen=1).pop()


def contractions(site):
    """One a core, in the order of the sweep; the last one starts from the bias."""
    tt, from_left = tt_shape(site.attributes), site.attributes["start"] == "left"
    d = len(tt.inputs)
    first, second = (tt.outputs, tt.inputs) if from_left else (tt.inputs, tt.outputs)
    order = range(d) if from_left else range(d)[::-1]
    bias = d if site.attributes["bias"] else None
    return tuple(
        _step(tt, k, prod(first[:k]), prod(second[k + 1 :]), from_left, bias if k == order[-1] else None) for k in order
    )


def _step(tt, k, parts, columns, from_left, start=None):
    """With core k: (parts, (r, ik), columns) to (parts, (ok, r'), columns) from the left, (ik, r') to (r, ok) else."""
    r0, i, o, r1 = tt.cores[k]
    if from_left:
        return Contraction(parts, o * r1, r0 * i, columns, k, _LEFT, start)
    return Contraction(parts, r0 * o, i * r1, columns, k, _RIGHT, start)


def tangent(site, arithmetic, parameters, inputs):
    """The cores without the bias."""
    unbiased = [replace(step, start=None) for step in contractions(site)]
    return _end(_sweep(unbiased, arithmetic, parameters, inputs[0]))


def matrix(site, arithmetic, parameters):
    """W (outputs, inputs) from the products of either half of the cores; inputs with those that are padded."""
    tt = tt_shape(site.attributes)
    left, right = products(arithmetic, parameters[: len(tt.inputs)])
    (o1, i1, rank), (_, o2, i2) = left.shape, right.shape
    whole = arithmetic.contract(left.reshape(-1, rank).T, right.reshape(1, rank, -1))[0]
    return swapped(whole, o1, i1, o2, i2).reshape(o1 * o2, i1 * i2)


def matrix_macs(site):
    """What the products of either half cost, and that of both."""
    (left, wide), (right, wider) = map(product_macs, split(tt_shape(site.attributes).cores))
    return left + right + wide * wider


def project_macs(site):
    """Multiply-accumulates of a sample: each contraction once for its core, and all but the first once for delta."""
    own = [step.macs for step in contractions(site)]
    return 2 * sum(own) - own[0], 0


def moves(site, arithmetic, parameters, inputs):
    """x contracted with all cores but one, for each core; from the last core of the stored sweep, y.

    Core k finishes what a sweep from one side has when it gets there, with the cores
    of the other side: from the right for the first cores, from the left for the others.
    """
    tt = tt_shape(site.attributes)
    x = widened(inputs[0], prod(tt.inputs))
    d, n, cut = len(tt.inputs), x.shape[1], tt.cheapest_cut()[0]

    def through(x, k, parts, columns, from_left):
        return _step(tt, k, parts, columns, from_left).run(arithmetic, parameters, x)

    found, wide = [None] * d, x
    for k in range(d) if cut < d else ():  # wide: (o1..o(k-1), (r, ik), i(k+1)..id, n)
        before = prod(tt.outputs[:k])
        if k >= cut:
            found[k], first = wide, before * tt.ranks[k] * tt.inputs[k]
            for j in reversed(range(k + 1, d)):
                found[k] = through(found[k], j, first * prod(tt.inputs[k + 1 : j]), prod(tt.outputs[j + 1 :]), False)
        if k + 1 < d:
            wide = through(wide, k, before, prod(tt.inputs[k + 1 :]), True)
    wide = x
    for k in reversed(range(d)) if cut else ():  # wide: (i1..i(k-1), (ik, r'), o(k+1)..od, n)
        behind = prod(tt.outputs[k + 1 :])
        if k < cut:
            found[k], last = wide, tt.inputs[k] * tt.ranks[k + 1] * behind
            for j in range(k):
                found[k] = through(found[k], j, prod(tt.outputs[:j]), prod(tt.inputs[j + 1 : k]) * last, True)
        if k:
            wide = through(wide, k, prod(tt.inputs[:k]), behind, False)
    finish = contractions(site)[-1]
    y = finish.run(arithmetic, parameters, found[finish.parameter])
    turned = [
        np.ascontiguousarray(own.reshape(before, s, t, after, n).transpose(0, 3, 1, 2, 4))
        for own, (before, after, s, t) in zip(found, moves_cost(site)[1])
    ]
    return y, turned + [np.ones((1, 1, 1, 1, 1), x.dtype)] * site.attributes["bias"]


def moves_cost(site):
    """Core k as (r ik, ok, r'), outputs as (o1..o(k-1), ok, o(k+1)..od)."""
    tt = tt_shape(site.attributes)
    sizes = [(prod(tt.outputs[:k]), prod(tt.outputs[k + 1 :]), r0 * i, r1) for k, (r0, i, _, r1) in enumerate(tt.cores)]
    last = tt.cores[-1] if site.attributes["start"] == "left" else tt.cores[0]
    spent = tt.cheapest_cut()[1] + prod(last) * site.outputs // last[2]
    return spent, sizes + [(1, 1, 1, 1)] * site.attributes["bias"]


def project(site, arithmetic, parameters, kept, delta, out=None):
    """Delta is swept back, core by core; at each it meets what the sweep of the pass had there.

    So a core's gradient is x contracted with the cores before it, times delta contracted with those behind it, in the
    order of the sweep; W is never built. Sums run over ascending parts, columns and samples. And the sum of delta.
    """
    gradients, steps = [None] * len(parameters), contractions(site)
    if site.attributes["bias"]:
        gradients[-1] = arithmetic.contract(delta.T, np.ones((1, delta.shape[1], 1), delta.dtype))[0, :, 0]
    for step, x in zip(reversed(steps), reversed(kept), strict=True):
        shape = parameters[step.parameter].shape
        gradients[step.parameter] = step.parameter_of(step.project(arithmetic, x, delta), shape)
        if step is not steps[0]:
            delta = step.back(arithmetic, parameters, delta, out=x)
    return gradients


def _project_floats(site):
    """An input that has to be padded, a core that has to be turned, and what each product of the sweep starts from.

    From the left, of one value of the first output index at a time.
    """
    tt, from_right = tt_shape(site.attributes), site.attributes["start"] == "right"
    padded = prod(tt.inputs) if site.features < prod(tt.inputs) else 0
    turned = max(map(prod, tt.cores)) if from_right else 0
    kept = sum(step.inputs for step in contractions(site)[1:])
    return padded + turned + (kept if from_right else kept // tt.outputs[0])


def _column_floats(site):
    """The products of the cores of either half, and room for what comes before the last of them."""
    halves = [_partial_sizes(cores) for cores in split(tt_shape(site.attributes).cores)]
    return sum(max(sizes, default=0) for sizes in halves) + max(max(sizes[:-1], default=0) for sizes in halves)


def _partial_sizes(cores):
    """Floats of the products of the first two cores, of the first three and so on."""
    rows = accumulate((i * o for _, i, o, _ in cores), lambda one, other: one * other)
    return [cores[0][0] * row * core[3] for row, core in zip(rows, cores)][1:]


def _buffers(site):
    """Scratch offsets of the second buffer, the padded input, one slice and the whole result, and its end.

    A sweep reads an input and writes a result that lie in one row each: where they do not, they are copied.
    """
    tt = tt_shape(site.attributes)
    from_right = site.attributes["start"] == "right"
    first, second = (tt.reversed() if from_right else tt).sweep_buffers()
    padded = prod(tt.inputs) if site.strided or site.features < prod(tt.inputs) else 0
    part = prod(tt.outputs[:-1]) if from_right and tt.outputs[-1] > 1 else 0
    whole = site.outputs if site.strided else 0
    return tuple(accumulate((first, second, padded, part, whole)))


def words(site):
    """{d, from_right, keep, features, second, padded, part, whole, I.., O.., r..}."""
    tt = tt_shape(site.attributes)
    head = (len(tt.inputs), int(site.attributes["start"] == "right"), int(_keeps_cores(site)), site.features)
    return (*head, *_buffers(site)[:-1], *tt.inputs, *tt.outputs, *tt.ranks)


def macs(site):
    """Those of the sweep that is taken."""
    tt = tt_shape(site.attributes)
    return (tt if site.attributes["start"] == "left" else tt.reversed()).sweep_macs()


def _keeps_cores(site) -> bool:
    """Return whether a device should hold all perturbed cores at once.

    Loading one element takes about as long as three multiply-accumulates, and
    cores are loaded once a slice unless they are kept: keep them where loading
    would take longer than contracting. Those layers are small.
    """
    tt = tt_shape(site.attributes)
    slices = tt.outputs[0 if site.attributes["start"] == "left" else -1]
    return 3 * slices * tt.n_parameters > macs(site)


def scratch(site):
    """Intermediates of one slice per sample; one core, or all."""
    tt = tt_shape(site.attributes)
    room = tt.n_parameters if _keeps_cores(site) else max(prod(core) for core in tt.cores)
    return _buffers(site)[-1], room


def _example(inputs, outputs, ranks, start, features=None):
    attributes = {"inputs": inputs, "outputs": outputs, "ranks": ranks, "start": start, "bias": True}
    return attributes, ((features or prod(inputs),),)


OP = Op(
    number=1,
    name="tt_linear",
    c="bpfree_op_tt_linear",
    attributes=("inputs", "outputs", "ranks", "start", "bias"),
    infer=infer,
    forward=forward,
    macs=macs,
    parameters=Parameters(rows, initialise),
    layer=Layer(
        project=project,
        partials=partials,
        project_macs=project_macs,
        moves=moves,
        moves_cost=moves_cost,
        added=lambda site: int(site.attributes["bias"]),
        matrix=matrix,
        matrix_macs=matrix_macs,
        train=lambda site: tt_shape(site.attributes),
        contractions=contractions,
        device=LayerOnDevice("bpfree_layer_tt_linear", _project_floats, _column_floats),
    ),
    jet=Jet(tangent=tangent),
    kernel=Kernel(words, scratch),
    onnx=Onnx(lambda site, parameters: sweep_rows(site, tt_shape(site.attributes), parameters)),
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


class TTLinear:
    """y = x W + b with W in tensor-train format (Novikov et al., NeurIPS 2015).

    TTLinear(1024, rank=6) plans the factors: least multiply-accumulates within
    `max_parameters` (default: 1.5 times the fewest possible).
    TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6) takes them as given; an input
    narrower than prod(inputs) is padded with zeros. `rank` is one number for
    all inner ranks, or the inner ranks. Initial weights have mean square
    gain^2 / inputs exactly.

    >>> import bpfree as bf
    >>> bf.Sequential(784, [bf.TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6)]).graph.n_theta  # dense: 803,840
    2848
    """

    def __init__(self, *sizes, rank, bias: bool = True, gain: float = 1.0, max_parameters: int | None = None):
        if len(sizes) not in (1, 2) or any((len(sizes) == 1) != np.isscalar(size) for size in sizes):
            raise TypeError(
                "TTLinear: expected TTLinear(outputs, rank=r) or TTLinear((I1, .., Id), (O1, .., Od), rank=r), "
                f"got {sizes!r}"
            )
        if len(sizes) == 2 and max_parameters is not None:
            raise TypeError("max_parameters: only for planned shapes, got it with given factors")
        self.sizes, self.rank, self.bias, self.gain = sizes, rank, bool(bias), gain
        self.max_parameters = max_parameters
        if max_parameters is not None:
            check_count("max_parameters", max_parameters)

    def shape(self, features: int) -> TTShape:
        """The cores' shapes for an input of this many features."""
        if len(self.sizes) == 1:
            outputs = check_count("outputs", self.sizes[0])
            return plan_shape(features, outputs, check_count("rank", self.rank), self.max_parameters)
        inputs, outputs = (tuple(check_count("factors", f) for f in sizes) for sizes in self.sizes)
        if len(inputs) != len(outputs):
            raise ValueError(f"factors: expected as many outputs as inputs, got {inputs} and {outputs}")
        if np.isscalar(self.rank):
            return TTShape(inputs, outputs, uniform_ranks(inputs, outputs, check_count("rank", self.rank)))
        return TTShape(inputs, outputs, (1, *(check_count("rank", r) for r in self.rank), 1))

    def node(self, shape):
        """Operation and attributes for this input shape: factors, ranks and the cheaper sweep."""
        tt = self.shape(prod(shape))
        attributes = {
            "inputs": list(tt.inputs),
            "outputs": list(tt.outputs),
            "ranks": list(tt.ranks),
            "start": tt.cheaper_sweep().start,
            "bias": self.bias,
        }
        return OP, attributes
