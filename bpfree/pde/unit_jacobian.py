# SPDX-License-Identifier: MIT
"""The Jacobian of a residual vector from within the layers: probes of units, then products at every layer.

    dr_n / dW_ji = sum_s D[j, s, n] x[i, s, n],   D[j, s, n] = dr_n / d(stream s of y_j),   y = W x + b

x, with its streams s, is what the pass has left there. D is found by moving the units of each layer one at a time and
going *forward* through what follows them (:mod:`bpfree.pde.tangents`), then through the formula
(:mod:`bpfree.pde.sensitivities`): the chain rule with one link that is a finite difference, the slope of the curvature
of an activation. Nothing goes backwards from layer to layer, and no layer's matrix is used transposed. A tensor-train
layer's cores get sum_(s,b,a) D[(b,o,a), s, n] v[b,a,s',t, s, n], v as :class:`bpfree.ops.table.Op` has it in `moves`.

Of a rule of shifted points the streams are these points, each on its own.
"""

from __future__ import annotations

import numpy as np

from bpfree.engines.cost import graph_macs
from bpfree.estimators.routes import path_behind, trained, with_trained_slices
from bpfree.pde.sensitivities import output_weights, unknown_columns
from bpfree.pde.streams import Streams
from bpfree.pde.tangents import ElementwiseJet, Pushforward

FLOATS = 1 << 19
"""Floats of the largest array that units pushed together take: what a processor's cache has room for."""


def refusal(network) -> str | None:
    """Why units of this network cannot be probed, in words; None where they can."""
    if not hasattr(network.engine, "arithmetic") or network.dtype != np.float64:
        return "it looks into the layers in float64: the reference engine in float64 can"
    odd = [node for node in network.graph.nodes if not node.op.is_affine and node.op.elementwise is None]
    if odd:
        return f"{odd[0].label} is neither elementwise nor affine"
    closed = [node for node in with_trained_slices(network.graph) if node.op.layer is None]
    return f"{closed[0].label} has parameters and no `layer`" if closed else None


class _ElementwiseJets(dict):
    """The ElementwiseJet of every elementwise node that is asked for."""

    def __init__(self, graph, arithmetic, trace, streams):
        super().__init__()
        self.nodes, self.arithmetic = {node.name: node for node in graph.nodes}, arithmetic
        self.trace, self.streams = trace, streams

    def __missing__(self, name):
        node = self.nodes[name]
        jet, result = self.trace[node.inputs[0]], self.trace[node.output]
        self[name] = ElementwiseJet(node, self.arithmetic, jet, result, self.streams)
        return self[name]


class Structured:
    """Blocks of the Jacobian of one part at some of its points. nodes: only these columns; default all, and unknowns.

    macs: spent so far.
    """

    def __init__(self, residuals, head_only: bool = False):
        self.residuals, self.network = residuals, residuals.network
        graph = self.network.graph
        self.nodes = trained(graph)[-1:] if head_only else trained(graph)
        self.head_only, self.macs = head_only, 0
        self.output = graph.nodes[-1].output

    def columns(self):
        """Which elements of theta these are: an index array."""
        graph, found = self.network.graph, []
        for node in self.nodes:
            for part in graph.slices_of(node):
                if not part.frozen:
                    found.append(np.arange(part.offset, part.offset + part.size))
        n, unknowns = self.residuals.n_network, 0 if self.head_only else self.residuals.n_unknown
        return np.concatenate([*found, np.arange(n, n + unknowns)])

    def macs_of(self, stencil) -> int:
        """Multiply-accumulates at one point: the pass, the probes, the products."""
        graph, passes = self.network.graph, stencil.passes
        total = graph_macs(graph) * passes
        for tensor in {self._end(node) for node in self.nodes} - {self.output}:
            pushforward = Pushforward(graph, tensor, self._travelling(stencil).count)
            copies = 1 if stencil.offsets is None else passes
            total += graph.tensors[tensor].size * pushforward.macs * copies
        for node in self.nodes:
            outputs = graph.tensors[node.output].size
            macs, sizes = node.op.layer.moves_cost(node.site)
            total += passes * (macs + sum(outputs * s * t for _, _, s, t in sizes))
        return total

    def block(self, theta, part, stencil, own: slice):
        """(r (rows, n), J (rows, n, columns)) at the part's points `own`, weighted."""
        part = part.take(own)
        problem, points = self.residuals.split(theta)[1], part.all_points()
        streams = self._travelling(stencil)
        if stencil.offsets is None:
            trace = self.network.trace(theta, points, streams)
            value, rest = trace[self.output]
        else:
            shifted = (points[None] + stencil.offsets[:, None]).reshape(-1, points.shape[1])
            trace = self.network.trace(theta, shifted, streams)
            u = trace[self.output][0].reshape(-1, len(stencil.offsets), len(points))
            whole = np.matmul(stencil.weights, u)
            value, rest = whole[:, 0], whole[:, 1:]
        rows = part.values(problem, value, rest, stencil) * part.scale
        weights = output_weights(part, problem, value, rest, stencil) * part.scale
        if stencil.offsets is not None:
            weights = np.einsum("eosn,sm->eomn", weights, stencil.weights)
        self.macs += self.macs_of(stencil) * len(points)
        whole = np.zeros((part.rows, part.n, self.columns().size))
        found = self._tensors(theta, trace, weights, stencil, streams)
        start = 0
        for node in self.nodes:
            for block in self._parameters(theta, node, trace, found[node.output], stencil):
                stop = start + block.shape[-1]
                for side in range(len(points) // part.n):
                    whole[..., start:stop] += block[:, side * part.n : (side + 1) * part.n]
                start = stop
        if not self.head_only and self.residuals.n_unknown:
            unknowns = unknown_columns(self.residuals, part, theta, value, rest, stencil) * part.scale
            whole[..., start:] = unknowns.transpose(1, 2, 0)
        return rows, whole

    def _travelling(self, stencil):
        """The streams that go through the network together."""
        if stencil.offsets is None:
            return stencil.layout.streams
        return Streams(np.zeros((0, self.residuals.problem.domain.dim)))

    def _end(self, node) -> int:
        path = path_behind(self.network.graph, node.output)
        return path[-1].output if path else node.output

    def _tensors(self, theta, trace, weights, stencil, streams) -> dict:
        """D (rows, units, streams or shifts, n) of the output tensor of every trained node."""
        graph, found, ends = self.network.graph, {}, {}
        elementwise = _ElementwiseJets(graph, self.network.engine.arithmetic, trace, streams)
        for node in self.nodes:
            path = path_behind(graph, node.output)
            end = path[-1].output if path else node.output
            if end not in ends:
                at_output = end == self.output
                pushed = weights if at_output else self._pushed(theta, end, elementwise, weights, stencil, streams)
                ends[end] = pushed
            own = ends[end]
            for one in reversed(path):  # each unit's own activation, on that unit alone
                own = self._joined(elementwise[one.name].of_units().back(self._split(own, stencil), streams), stencil)
            found[node.output] = own
        return found

    def _pushed(self, theta, tensor, elementwise, weights, stencil, streams):
        """D of a tensor, by going forward from its units, a few at a time."""
        pushforward = Pushforward(self.network.graph, tensor, streams.count)
        if not pushforward.leads_out:
            shape = (len(weights), self.network.graph.tensors[tensor].size, *weights.shape[2:])
            return np.zeros(shape)
        weights = self._split(weights, stencil)[:, :, None]
        units, n = self.network.graph.tensors[tensor].size, weights.shape[-1]
        few, found = max(1, FLOATS // (pushforward.widest * streams.count * n)), []
        parameters, arithmetic = lambda node: self.network.parameters(node, theta), self.network.engine.arithmetic
        for first in range(0, units, few):
            tangent = pushforward.push(slice(first, first + few), elementwise, parameters, arithmetic)
            found.append(tangent.back(weights, streams).sum(axis=1))
        return self._joined(np.concatenate(found, axis=1), stencil)

    def _split(self, weights, stencil):
        """Shifts are points of their own to what goes through the network: (..., shifts, n) as (..., 1, shifts n)."""
        return weights if stencil.offsets is None else weights.reshape(*weights.shape[:-2], 1, -1)

    def _joined(self, weights, stencil):
        return weights if stencil.offsets is None else weights.reshape(*weights.shape[:-2], len(stencil.offsets), -1)

    def _columns(self, jet, stencil):
        """A tensor's streams, or its values at all shifts, (features, streams n)."""
        value, rest = jet
        x = value if stencil.offsets is not None else np.concatenate([value[:, None], rest], axis=1)
        return x.reshape(len(x), -1)

    def _parameters(self, theta, node, trace, moved, stencil):
        """Yield the columns (rows, n, size) of each trainable parameter of a node: D times what it multiplies."""
        streams, n = moved.shape[-2:]
        inputs = tuple(self._columns(trace[number], stencil) for number in node.inputs)
        parameters, arithmetic = self.network.parameters(node, theta), self.network.engine.arithmetic
        _, moves = node.op.layer.moves(node.site, arithmetic, parameters, inputs)
        added = node.n_slices - node.op.layer.added(node.site)
        for k, (own, v) in enumerate(zip(self.network.graph.slices_of(node), moves, strict=True)):
            if own.frozen:
                continue
            if k >= added:  # of the value alone
                flat = moved.sum(axis=2) if stencil.offsets is not None else moved[:, :, 0]
                yield flat.transpose(0, 2, 1)
                continue
            before, after, s, t, _ = v.shape
            v = v.reshape(before, after, s, t, streams, n).transpose(5, 2, 3, 0, 1, 4).reshape(n, s * t, -1)
            d = moved.reshape(len(moved), before, -1, after, streams, n).transpose(0, 5, 1, 3, 4, 2)
            d = d.reshape(len(moved), n, v.shape[2], -1)  # (rows, n, (before, after, streams), outputs)
            both = np.matmul(v, d).reshape(len(moved), n, s, t, -1)
            yield both.swapaxes(3, 4).reshape(len(moved), n, -1)
