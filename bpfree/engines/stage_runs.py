# SPDX-License-Identifier: MIT
"""Stages in NumPy: all of a pass at theta, and of a probe's ripple no more than it changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bpfree.arithmetic import widened
from bpfree.engines.slabs import Slab, select
from bpfree.engines.stages import Axis
from bpfree.engines.trace import run_node


def run_stages(arithmetic, graph, stages, theta, frozen, x) -> dict:
    """All tensors (features, n) of a pass, those inside of layers too, by number."""
    tensors = {0: x}
    for stage in stages:
        parameters = graph.parameters(stage.node, theta, frozen)
        if stage.contraction is None:
            tensors[stage.output] = run_node(arithmetic, stage.node, parameters, tensors.__getitem__, x.shape[1])
        else:
            source = widened(tensors[stage.inputs[0]], stage.contraction.inputs)
            tensors[stage.output] = stage.contraction.run(arithmetic, parameters, source)
    return tensors


def run_ripple(arithmetic, graph, stages, ripple, place: int, theta, frozen, kept) -> dict:
    """The tensors of a probe, whose theta is given: those of a pass that was kept but for what the ripple changes."""
    tensors = dict(kept)
    for step in ripple.steps:
        stage = stages[step.stage]
        parameters = graph.parameters(stage.node, theta, frozen)
        before, size, after, _ = step.slab
        made = _slab_of(arithmetic, stage, step, place, parameters, tensors)
        y = tensors[stage.output].reshape(before, size, after, -1).copy()
        y[:, step.slab.at(place)] = made.reshape(before, after, -1)
        tensors[stage.output] = y.reshape(before * size * after, -1)
    return tensors


def _slab_of(arithmetic, stage, step, place, parameters, tensors):
    """The elements of a step's slab, in order."""
    if stage.contraction is not None:
        return _contracted(arithmetic, stage.contraction, step, place, parameters, tensors[stage.inputs[0]])

    node, n = stage.node, tensors[0].shape[1]
    if step.slab.size == 1:
        return run_node(arithmetic, node, parameters, tensors.__getitem__, n)
    (x,) = (select(tensors[tensor], 0, step.slab, place) for tensor in node.inputs)  # elementwise: one input
    site = replace(node.site, shapes=((len(x),),), output_shape=(len(x),))
    return run_node(arithmetic, replace(node, site=site), parameters, lambda tensor: x, n)


def _contracted(arithmetic, contraction, step, place, parameters, x):
    """The sums of a step's slab: along its axis those at its index, along others all."""
    parts, rows, inner, columns = contraction.parts, contraction.rows, contraction.inner, contraction.columns
    n, matrix = x.shape[1], contraction.matrix(parameters[contraction.parameter])
    x = widened(x, contraction.inputs).reshape(parts, inner, columns, n)
    start = np.broadcast_to(np.asarray(contraction.starts(parameters, 1), x.dtype), (parts, rows, columns))
    for axis, slab in _cuts(contraction, step):
        if axis == Axis.ROWS:
            matrix = select(matrix, 1, slab, place)
        else:
            x = select(x, axis, slab, place)
        start = select(start, axis, slab, place)
    return arithmetic.contract(matrix, x.reshape(len(x), inner, -1), np.repeat(start, n, axis=2))


def _cuts(contraction, step):
    """[(axis of (parts, rows, columns), the slab of it)] of a step's slab of the output."""
    parts, rows, columns, slab = contraction.parts, contraction.rows, contraction.columns, step.slab
    if step.axis == Axis.PARTS:
        return [(Axis.PARTS, slab._replace(after=slab.after // (rows * columns)))]
    if step.axis == Axis.ROWS:
        return [(Axis.ROWS, Slab(1, rows, 1))]
    if step.axis == Axis.COLUMNS:
        return [(Axis.COLUMNS, slab._replace(before=slab.before // (parts * rows)))]
    sizes = (Axis.PARTS, parts, rows * columns), (Axis.ROWS, rows, columns), (Axis.COLUMNS, columns, 1)
    return [(axis, Slab(1, size, 1, divisor)) for axis, size, divisor in sizes]
