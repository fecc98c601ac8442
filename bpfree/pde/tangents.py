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
from math import prod

import numpy as np

from bpfree.engines.cost import node_macs
from bpfree.ops.runs import slope_of

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
        own, (value, rest) = node.op.elementwise, jet
        self.streams, self.arithmetic, self.rest = streams, arithmetic, rest
        self.slope = slope_of(node.op, "derivative", node.site, arithmetic, value, result[0])
        self.bent = own.curvature is not None and streams.n_first > 0
        self.first = self.forms = None
        if not self.bent:
            return
        self.curvature = slope_of(node.op, "curvature", node.site, arithmetic, value, result[0])
        self.first = self.curvature[:, None] * rest[:, : streams.n_first]
        if streams.terms:
            sides = []
            for moved in (value + STEP, value - STEP):
                y = node.op.forward(node.site, arithmetic, [], (moved,))
                sides.append(slope_of(node.op, "curvature", node.site, arithmetic, moved, y))
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
            if node.op.is_affine and set(node.inputs) <= constant:
                constant.add(node.output)  # the same at every point: once a unit, as good as nothing
            elif node.op.is_affine:
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
            if node.op.is_affine:
                known[node.output] = _affine(node, parameters(node), arithmetic, parts)
            else:
                known[node.output] = elementwise[node.name].through(parts[0])
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
        shape = np.broadcast_shapes(*((1, *one.shape[1:]) for one in there))
        sizes = [(prod(own), *shape[1:]) for own in node.site.shapes]
        columns = tuple(map(_columns, given, sizes))
        y = node.op.jet.tangent(node.site, arithmetic, parameters, columns)
        found.append(y.reshape(len(y), *shape[1:]))
    return Tangent(*found)


def _columns(part, shape):
    """A part of a tangent (features, ...) as columns; of an input that does not move, zeros."""
    if part is None:
        return np.zeros((shape[0], prod(shape[1:])))
    return np.broadcast_to(part, shape).reshape(shape[0], -1)
