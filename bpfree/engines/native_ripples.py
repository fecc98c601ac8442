# SPDX-License-Identifier: MIT
"""Ripples as tables of the C runtime, and probes as its records."""

from __future__ import annotations

import numpy as np

from bpfree.engines.ripples import Ripples
from bpfree.engines.slabs import whole
from bpfree.native.ripples import FROM_ZERO, RIPPLE, NativeRipples


class RipplesInC:
    """The ripples of a graph, evaluated by one NativeModel of it."""

    def __init__(self, ripples: Ripples, model):
        self._ripples, graph = ripples, ripples.graph
        steps = [(k, 0, *whole(_outputs(graph, stage))) for k, stage in enumerate(ripples.stages)]
        self._steps = np.zeros((len(graph.slices), 2), np.uint32)  # of each slice, the first and how many
        for number, ripple in ripples.of_slice.items():
            self._steps[number] = len(steps), len(ripple.steps)
            steps += [(step.stage, int(step.axis), *step.slab) for step in ripple.steps]
        needs = [stage.node.op.kernel.scratch(stage.node.site) for stage in ripples.stages if not stage.contraction]
        scratch = [max(sizes, default=0) for sizes in zip(*needs, (0, 0))]
        self._native = NativeRipples(model, _stage_rows(ripples), steps, ripples.sizes, scratch)

    def evaluate(self, theta, frozen, batch, loss, table) -> np.ndarray:
        """Losses (probes, n) of records (`bpfree_probe`) that run along a ripple, or are theta itself."""
        packing = self._ripples.packing
        packed = np.concatenate([theta, frozen])[packing.sources]
        probes = np.zeros(len(table), RIPPLE)
        moves = table["mu"] != 0
        elements = table["element"][moves]
        steps = self._steps[self._ripples.slices(table)[moves]]
        own = {"position": packing.positions[elements], "place": packing.places[elements], "mu": table["mu"][moves]}
        for name, values in (own | {"first": steps[:, 0], "count": steps[:, 1]}).items():
            probes[name][moves] = values
        return self._native.evaluate(theta, packed, batch.x, batch.labels, batch.targets, loss.number, probes)


def _outputs(graph, stage) -> int:
    """Elements of what a stage makes."""
    return stage.contraction.outputs if stage.contraction else graph.tensors[stage.output].size


def _stage_rows(ripples) -> list[tuple]:
    """`bpfree_stage` of every stage."""
    numbers, packing, rows = {node.output: k for k, node in enumerate(ripples.graph.nodes)}, ripples.packing, []
    for stage, matrix, start in zip(ripples.stages, packing.matrices, packing.starts, strict=True):
        c, node = stage.contraction, numbers[stage.node.output]
        if c is None:
            rows.append((0, 0, 0, 0, 0, FROM_ZERO, 0, stage.output, node))
        else:
            begin = FROM_ZERO if start is None else start
            rows.append((c.parts, c.rows, c.inner, c.columns, matrix, begin, stage.inputs[0], stage.output, node))
    return rows
