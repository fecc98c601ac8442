# SPDX-License-Identifier: MIT
"""The network of a PDE: a function of points, whose jets a stencil computes with forward passes."""

from __future__ import annotations

import copy

import numpy as np

from bpfree.engines import ReferenceEngine
from bpfree.ops.taylor import check_jets, through
from bpfree.pde.rules.table import Stencil

COLUMNS = 1 << 13
"""Number of columns (points times passes) that go through the network at a time, which limits memory."""


class Network:
    """The function u(x; theta) from points (n, dim) to outputs (m, n), in the precision of an engine.

    engine: None takes the reference engine in float64.
    shift, size: of coordinates (dim,); the first layer gets (x - shift) / size. Default: x itself.

    >>> from bpfree import Linear, Sequential, Square
    >>> from bpfree.pde import Box, Laplacian, Taylor
    >>> model = Sequential(1, [Linear(1, bias=False), Square()])  # u = (w x)^2
    >>> stencil = Taylor().stencil([Laplacian((0,))], Box(x=(0, 1)), "float64")
    >>> value, rest = Network(model.graph, model.frozen).jets(model.theta, np.array([[0.5]]), stencil)
    >>> u_xx = stencil.layout.read(Laplacian((0,)), rest)
    >>> bool(np.allclose(u_xx, 2 * model.theta[0] ** 2))
    True
    """

    def __init__(self, graph, frozen, engine=None, shift=None, size=None):
        self.graph, self.frozen, self.shift, self.size = graph, frozen, shift, size
        self.engine = ReferenceEngine(dtype=np.float64) if engine is None else engine
        self.dtype = self.engine.dtype

    @property
    def outputs(self) -> int:
        """The number m of outputs."""
        return self.graph.output.size

    def values(self, theta, points) -> np.ndarray:
        """Return u (m, n) at points (n, dim)."""
        return self.engine.predict(
            self.graph, theta.astype(self.dtype, copy=False), self.frozen, self._scaled(points)
        ).T

    def _scaled(self, points):
        return points if self.size is None else (points - self.shift) / self.size

    def _along(self, streams):
        """Return the streams with their directions in units of the coordinates."""
        if self.size is None:
            return streams
        scaled = copy.copy(streams)
        scaled.directions = streams.directions / self.size
        return scaled

    def jets(self, theta, points, stencil: Stencil):
        """Return the value (m, n) and the streams (m, count - 1, n) at points (n, dim)."""
        parts = np.array_split(points, min(len(points), -(-len(points) * stencil.passes // COLUMNS)) or 1)
        jets = self._streams if stencil.offsets is None else self._shifted
        values, rests = zip(*(jets(theta, part, stencil) for part in parts))
        return np.concatenate(values, axis=-1), np.concatenate(rests, axis=-1)

    def _shifted(self, theta, points, stencil):
        """Compute jets as weighted sums over passes at shifted points."""
        shifted = (points[None] + stencil.offsets[:, None].astype(self.dtype)).reshape(-1, points.shape[1])
        u = self.values(theta, shifted).reshape(self.outputs, len(stencil.offsets), len(points))
        streams = np.matmul(stencil.weights.astype(self.dtype), u)
        return streams[:, 0], streams[:, 1:]

    def _streams(self, theta, points, stencil):
        """Compute jets by streams from node to node, by the engine where it can."""
        if hasattr(self.engine, "jets"):
            streams = self._along(stencil.layout.streams)
            return self.engine.jets(self.graph, theta, self.frozen, self._scaled(points), streams)
        return self.trace(theta, points, stencil.layout.streams, keep=False)[self.graph.nodes[-1].output]

    def trace(self, theta, points, streams, keep: bool = True) -> dict:
        """Return the jet of every tensor by its number: (value (features, n), rest (features, count - 1, n)).

        keep: whether to keep all jets; otherwise each is dropped after the last node that reads it.
        """
        known, nodes = {0: start(self._scaled(points).astype(self.dtype), self._along(streams))}, self.graph.nodes
        if streams.count > 1:
            check_jets(nodes)
        last = {tensor: k for k, node in enumerate(nodes) for tensor in node.inputs}
        for k, node in enumerate(nodes):
            inputs = [known[tensor] for tensor in node.inputs]
            parameters, arithmetic = self.parameters(node, theta), self.engine.arithmetic
            known[node.output] = through(node.op, node.site, arithmetic, parameters, inputs, streams, len(points))
            del inputs
            if not keep:
                known = {tensor: jet for tensor, jet in known.items() if last.get(tensor, len(nodes)) > k}
        return known

    def parameters(self, node, theta) -> list:
        """Return the node's parameters in the network's precision."""
        theta, frozen = theta.astype(self.dtype, copy=False), self.frozen.astype(self.dtype, copy=False)
        return self.graph.parameters(node, theta, frozen)


def start(points, streams):
    """Return the jet of the points themselves: x, with d_a x = directions[a] and second derivatives of 0."""
    value = np.ascontiguousarray(points.T)
    rest = np.zeros((len(value), streams.count - 1, len(points)), value.dtype)
    rest[:, : streams.n_first] = streams.directions.T[:, :, None]
    return value, rest
