# SPDX-License-Identifier: MIT
"""What a pass costs: the multiply-accumulates of every node."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=64)
def node_macs(graph) -> tuple[int, ...]:
    """Multiply-accumulates of each node, for one sample."""
    return tuple(node.op.macs(node.site) for node in graph.nodes)


def macs_after(graph, tensor: int) -> int:
    """Multiply-accumulates of the nodes that depend on a tensor, for one sample."""
    reached, total = {tensor}, 0
    for node, macs in zip(graph.nodes, node_macs(graph), strict=True):
        if node.output != tensor and reached.intersection(node.inputs):
            reached.add(node.output)
            total += macs
    return total


def cost_of(engine, graph, probes, n: int) -> int:
    """What an engine's `evaluate` takes for probes of n samples, in passes of one sample.

    A pass each, where the engine has no `cache` of what it keeps of a pass.
    """
    cache = getattr(engine, "cache", None)
    return cache.choose(graph, probes, n)[1] if cache else len(probes) * n


def graph_macs(graph) -> int:
    """Multiply-accumulates of one forward pass of one sample: the unit of `forwards`; at least 1."""
    return max(1, sum(node_macs(graph)))


def backprop_macs(graph) -> int:
    """Multiply-accumulates of one pass and its way back, if back-propagation trained the graph, for one sample.

    Each product of the pass has two on the way back: one by its parameters, one by what came in. Nobody needs the
    second where nothing before is trained, so 784-1024-10 takes 2.01 passes, not three. Loss and update are free.
    """
    total, moving = 0, set()  # moving: the tensors that depend on trained parameters
    for node, macs in zip(graph.nodes, node_macs(graph), strict=True):
        trained = any(not part.frozen for part in graph.slices_of(node))
        behind = bool(moving.intersection(node.inputs))
        if trained or behind:
            moving.add(node.output)
        total += macs
        if behind:
            total += 2 * macs if trained else macs
        elif trained and node.op.layer:
            total += node.op.layer.project_macs(node.site)[0]
    return total


def largest_product(graph, n: int) -> int:
    """Multiply-accumulates of the node that takes the most, for n samples: what threads of BLAS would share out."""
    return n * max(node_macs(graph), default=0)
