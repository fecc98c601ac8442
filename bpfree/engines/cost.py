# SPDX-License-Identifier: MIT
"""What a pass costs: the multiply-accumulates of every node."""

from __future__ import annotations

from bpfree.ops import OPS


def node_macs(graph) -> list[int]:
    """Multiply-accumulates of each node, for one sample."""
    shapes = [graph.tensors[node.inputs[0]].shape for node in graph.nodes]
    return [OPS[node.op].macs(node.attributes, shape) for node, shape in zip(graph.nodes, shapes, strict=True)]


def graph_macs(graph) -> int:
    """Multiply-accumulates of one forward pass of one sample: the unit of `forwards`; at least 1."""
    return max(1, sum(node_macs(graph)))
