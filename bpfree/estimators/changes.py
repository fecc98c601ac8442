# SPDX-License-Identifier: MIT
"""From a few units of a tensor to the loss: what a change of them goes through, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from bpfree.engines.cost import macs_after
from bpfree.estimators.layer_access import LayerView
from bpfree.estimators.routes import only_linear, path_behind
from bpfree.graph import Node
from bpfree.ops import OPS

MOST_MOVED = 1 << 16
"""Floats of moved activations held at once: what a processor's cache has room for."""


@dataclass(frozen=True)
class Suffix:
    """What follows a tensor: elementwise nodes up to `end`; then a linear node, if only that reads it; then the rest.

    Elementwise nodes of one's own are of the rest, as what they make of a few units alone may be something else.
    start: the tensor from which all that follows is computed again, the graph's output if nothing is. rest:
    multiply-accumulates of that, for one sample.
    """

    chain: tuple[Node, ...]
    end: int
    linear: Node | None
    start: int
    rest: int

    @classmethod
    def of(cls, graph, tensor: int) -> Suffix:
        """What follows this one."""
        chain = list(takewhile(lambda node: OPS.has(node.op), path_behind(graph, tensor)))
        end = chain[-1].output if chain else tensor
        linear = only_linear(graph, end)
        start = linear.output if linear else end
        return cls(tuple(chain), end, linear, start, macs_after(graph, start))

    def macs(self, graph, units: int) -> int:
        """Multiply-accumulates of one change of so many units: columns, what follows, and one a score in the loss."""
        columns = units * graph.tensors[self.start].size if self.linear else 0
        return columns + self.rest + graph.output.size


class Changes:
    """How the losses of a batch change when units of a tensor move.

    matrices: those made before, by node; they are of the parameters alone.
    """

    def __init__(self, view: LayerView, tensor: int, matrices: dict):
        self.suffix, self.view = Suffix.of(view.graph, tensor), view
        trace, linear = view.trace, self.suffix.linear
        self.before, self.after = trace.values[tensor], trace.values[self.suffix.end]
        self.rows = view.graph.tensors[self.suffix.start].size
        self.matrix = None
        if linear is not None:
            if linear.name not in matrices:
                matrix = linear.op.layer.matrix
                matrices[linear.name] = matrix(linear.site, view.arithmetic, trace.parameters(linear))
            self.matrix = matrices[linear.name]
        self.differences = view.loss.changes_by(view.arithmetic, trace.output, view.target)

    def width(self, units: int) -> int:
        """Floats a sample that one change takes where many are held: not of units that a matrix product takes in."""
        own = 0 if self.matrix is not None and units > 1 else units
        return max(own, self.rows, self.view.trace.widest(self.suffix.start))

    def of(self, units, steps):
        """L_b with units (p, u) moved by steps (u, t, n), minus L_b: (p, t, n)."""
        moves, trace, start = self._at_start(units, steps), self.view.trace, self.suffix.start
        shape = moves.shape[1:]
        moves = moves.reshape(len(moves), -1, trace.n)
        if start != self.view.output:
            moved = trace.values[start][:, None] + moves
            y = trace.rerun(start, moved.reshape(len(moved), -1), moves.shape[1])
            moves = y.reshape(len(y), -1, trace.n) - trace.output[:, None]
        return self.differences(moves).reshape(shape)

    def _behind_chain(self, units, steps):
        """What the units (p, u) of `end` change by, (p, u, t, n)."""
        if not self.suffix.chain:
            return np.broadcast_to(steps, (len(units), *steps.shape))
        moved = self.before[units][:, :, None] + steps
        for node in self.suffix.chain:
            parameters = self.view.trace.parameters(node)
            moved = node.op.forward(node.site, self.view.arithmetic, parameters, (moved,))
        moved -= self.after[units][:, :, None]  # it is ours: nothing else holds it
        return moved

    def _at_start(self, units, steps):
        """What `start` changes by, (rows, p, t, n)."""
        (p, u), (_, t, n) = units.shape, steps.shape
        if self.matrix is not None and u > 1:
            return self._through_columns(units, steps)
        changes = self._behind_chain(units, steps)
        if self.matrix is not None:
            return np.take(self.matrix, units[:, 0], axis=1)[:, :, None, None] * changes[:, 0]
        moves = np.zeros((self.rows, p, t, n), steps.dtype)
        moves[units.T, np.arange(p)] = changes.swapaxes(0, 1)
        return moves

    def _through_columns(self, units, steps):
        """The changes of units (p, u) times their columns of the matrix, a few at a time."""
        (p, u), (_, t, n) = units.shape, steps.shape
        moves, few = np.empty((self.rows, p, t, n), steps.dtype), max(1, MOST_MOVED // (u * n))
        for k in range(p):
            columns = np.take(self.matrix, units[k], axis=1).T
            for first in range(0, t, few):
                own = self._behind_chain(units[k : k + 1], steps[:, first : first + few])
                through = self.view.arithmetic.contract(columns, own.reshape(1, u, -1))
                moves[:, k, first : first + few] = through.reshape(self.rows, -1, n)
        return moves
