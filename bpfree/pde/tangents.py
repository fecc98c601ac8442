# SPDX-License-Identifier: MIT
"""How jets behind some units move with the value of each of them, found by going forward, unit by unit.

Let f be what lies between a unit and some tensor, with streams d_a and forms as in
:mod:`bpfree.pde.streams`. Moving the unit's *value* h gives three things,

    L = d f / d h,    V_a = d (d_a f) / d h,    W = d (form f) / d h,

and these are all that moving its other streams would give too: d (d_a f) / d (d_a h) =
d (form f) / d (form h) = L, and d (form f) / d (d_a h) = sum c (V_a, V_b) over the form's terms.
So a unit needs one probe, of its value, and none of its D + 1 other streams.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.engines.cost import node_macs
from bpfree.ops import OPS

STEP = 1e-5
"""By which a pre-activation is moved to see how the second derivative of its activation moves."""


@dataclass
class Tangent:
    """How a jet moves with values before it: those of its value (..., n), first derivatives (..., G, n), forms.

    The last two are None where they do not move. n may be 1: the same at every point.
    """

    value: np.ndarray
    first: np.ndarray | None = None
    forms: np.ndarray | None = None

    def back(self, weights, streams):
        """Weights (..., count, n) of a jet as weights of the jet that its value was moved by: same shape."""
        found = weights * self.value[..., None, :]
        if self.first is not None:
            own = slice(1, 1 + streams.n_first)
            found[..., 0, :] += (weights[..., own, :] * self.first).sum(axis=-2)
            if self.forms is not None and streams.terms:
                forms = weights[..., own.stop :, :]
                found[..., 0, :] += (forms * self.forms).sum(axis=-2)
                found[..., own, :] += streams.crossed_back(forms, self.first)
        return found


class ElementwiseJet:
    """An elementwise node at its jets: how its output's jet moves with the value of each unit, all at once."""

    def __init__(self, node, arithmetic, jet, result, streams):
        op, (value, rest) = OPS[node.op], jet
        self.streams, self.arithmetic, self.rest = streams, arithmetic, rest
        self.slope = op.derivative(arithmetic, value, result[0], node.attributes)
        self.bent = op.curvature is not None and streams.n_first > 0
        self.first = self.forms = None
        if not self.bent:
            return
        self.curvature = op.curvature(arithmetic, value, result[0], node.attributes)
        self.first = self.curvature[:, None] * rest[:, : streams.n_first]
        if streams.terms:
            sides = []
            for moved in (value + STEP, value - STEP):
                y = op.forward(arithmetic, [], moved, node.attributes)
                sides.append(op.curvature(arithmetic, moved, y, node.attributes))
            third = (sides[0] - sides[1]) / (2 * STEP)
            squares = streams.squares(arithmetic, rest)
            self.forms = self.curvature[:, None] * rest[:, streams.n_first :] + third[:, None] * squares

    def of_units(self) -> Tangent:
        """Each unit's output with its own value."""
        return Tangent(self.slope, self.first, self.forms)

    def through(self, tangent: Tangent) -> Tangent:
        """The tangent (features, units, ...) behind this node of one before it."""
        slope, along = self.slope[:, None], tangent.value[..., None, :]
        first, forms = (None if part is None else slope[..., None, :] * part for part in (tangent.first, tangent.forms))
        if self.first is not None:
            first = _plus(first, self.first[:, None] * along)
        if self.forms is not None:
            forms = _plus(forms, self.forms[:, None] * along)
            if tangent.first is not None:
                crossed = self.streams.crossed(self.arithmetic, self.rest[:, None], tangent.first)
                forms += self.curvature[:, None, None] * crossed
        return Tangent(slope * tangent.value, first, forms)


def _plus(a, b):
    return b if a is None else a + b


class Pushforward:
    """What lies behind a tensor: how the output's jet moves with the values of the tensor's units.

    graph, tensor; elementwise: {node name: ElementwiseJet}. parameters(node): arrays. macs: multiply-accumulates for
    each unit, at each point: all streams through every node that follows, and one for each stream that an elementwise
    node multiplies. leads_out: does the output depend on it?
    """

    def __init__(self, graph, tensor: int, streams_count: int):
        self.graph, self.tensor = graph, tensor
        reached, self.nodes, self.macs = {tensor}, [], 0
        constant = {tensor}
        for node, macs in zip(graph.nodes, node_macs(graph), strict=True):
            if node.output == tensor or not reached.intersection(node.inputs):
                continue
            self.nodes.append(node)
            reached.add(node.output)
            if OPS[node.op].tangent is not None and set(node.inputs) <= constant:
                constant.add(node.output)  # the same at every point: once a unit, as good as nothing
            elif OPS[node.op].tangent is not None:
                self.macs += macs * streams_count
            else:
                self.macs += graph.tensors[node.output].size * streams_count
        self.leads_out = graph.nodes[-1].output in reached
        self.widest = max(graph.tensors[number].size for number in reached)

    def push(self, units, elementwise, parameters, arithmetic) -> Tangent:
        """Tangents (outputs, units, ...) of the output."""
        size = self.graph.tensors[self.tensor].size
        known = {self.tensor: Tangent(np.eye(size)[:, units][:, :, None])}
        for node in self.nodes:
            parts = [known.get(number) for number in node.inputs]
            if OPS[node.op].tangent is None:
                known[node.output] = elementwise[node.name].through(parts[0])
            else:
                known[node.output] = _affine(node, parameters(node), arithmetic, parts)
        return known[self.graph.nodes[-1].output]


def _affine(node, parameters, arithmetic, parts):
    """Tangents through an affine node: its linear part on each."""
    found = []
    for name in ("value", "first", "forms"):
        given = [None if part is None else getattr(part, name) for part in parts]
        there = [one for one in given if one is not None]
        if not there:
            found.append(None)
            continue
        shape = np.broadcast_shapes(*(one.shape for one in there))
        columns = [
            np.zeros((shape[0], np.prod(shape[1:], dtype=int)))
            if one is None
            else np.broadcast_to(one, shape).reshape(shape[0], -1)
            for one in given
        ]
        x = columns[0] if len(columns) == 1 else tuple(columns)
        y = OPS[node.op].tangent(arithmetic, parameters, x, node.attributes)
        found.append(y.reshape(len(y), *shape[1:]))
    return Tangent(*found)
