# SPDX-License-Identifier: MIT
"""A forward pass that keeps every activation, and passes that start from some of them."""

from __future__ import annotations

import numpy as np

from bpfree.engines.cost import node_macs
from bpfree.ops.runs import run_op


class Trace:
    """All activations of a batch. values: by tensor number, (features, n), samples last.

    arithmetic, dtype: the engine's. macs: multiply-accumulates spent, this pass
    and every `rerun`, over all samples.
    """

    def __init__(self, engine, graph, theta, frozen, x):
        self.graph, self.arithmetic, self.dtype = graph, engine.arithmetic, engine.dtype
        self.theta = theta.astype(self.dtype, copy=False)
        self.frozen = frozen.astype(self.dtype, copy=False)
        self.values = {0: np.ascontiguousarray(x.T, self.dtype)}
        self.n = len(x)
        self._node_macs = node_macs(graph)
        self.macs = self.n * sum(self._node_macs)
        for node in graph.nodes:
            self.values[node.output] = self.first(node)

    @property
    def output(self):
        """The output (outputs, n) of the last node."""
        return self.values[self.graph.nodes[-1].output]

    def first(self, node):
        """The node's output in the pass that is kept."""
        return self._run(node, self.values.__getitem__, self.n)

    def inputs(self, node) -> tuple:
        """The node's inputs, each (features, n)."""
        return tuple(self.values[number] for number in node.inputs)

    def parameters(self, node) -> list:
        """The node's parameters, in the engine's precision."""
        return self.graph.parameters(node, self.theta, self.frozen)

    def rerun(self, tensor: int, value, copies: int):
        """The output (outputs, copies n) where this tensor is value (features, copies n): nodes it feeds run again.

        Columns are copy after copy of the batch; what does not depend on the tensor is taken as it was.
        """
        changed = {tensor: value}

        def look_up(number):
            return changed[number] if number in changed else np.tile(self.values[number], (1, copies))

        for node, macs in zip(self.graph.nodes, self._node_macs, strict=True):
            if node.output != tensor and any(number in changed for number in node.inputs):
                changed[node.output] = self._run(node, look_up, copies * self.n)
                self.macs += macs * copies * self.n
        return look_up(self.graph.nodes[-1].output)

    def widest(self, tensor: int) -> int:
        """Features of the widest tensor that a rerun from this one makes, itself included."""
        reached = {tensor}
        for node in self.graph.nodes:
            if reached.intersection(node.inputs):
                reached.add(node.output)
        return max(self.graph.tensors[number].size for number in reached)

    def _run(self, node, look_up, n):
        return run_node(self.arithmetic, node, self.parameters(node), look_up, n)


def run_node(arithmetic, node, parameters, look_up, n: int):
    """What a node makes of its inputs, looked up by tensor number: (features, n)."""
    return run_op(node.op, node.site, arithmetic, parameters, tuple(map(look_up, node.inputs)), n)
