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


def largest_product(graph, n: int) -> int:
    """Multiply-accumulates of the node that takes the most, for n samples: what threads of BLAS would share out."""
    return n * max(node_macs(graph), default=0)
