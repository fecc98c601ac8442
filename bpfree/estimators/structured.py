# SPDX-License-Identifier: MIT
"""StructuredCGE: the finite differences of CGE, from partial contractions instead of a forward pass each."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from bpfree.arithmetic import running_sum
from bpfree.engines.cost import graph_macs, node_macs
from bpfree.engines.trace import Trace
from bpfree.errors import check_choice
from bpfree.estimators.changes import Changes, Suffix
from bpfree.estimators.estimate import Estimate
from bpfree.estimators.layer_access import LayerAccess, LayerView
from bpfree.estimators.routes import trained
from bpfree.estimators.table import EstimatorRow
from bpfree.registry import host_only
from bpfree.schedules.table import Schedule, check_radius, value_at

MOST_KEPT = 1 << 22
"""Floats of a layer's partial contractions held at once: the batch is taken in blocks of samples."""

MOST_CHANGED = 1 << 16
"""Floats of changes held at once: parameters are taken in blocks."""


@dataclass(frozen=True)
class StructuredCGE(LayerAccess):
    """Coordinate-wise differences over all parameters, as CGE has them, without its forward passes.

    two-sided: g_k = [L(theta + mu e_k) - L(theta - mu e_k)] / (2 mu)
    one-sided: g_k = [L(theta + mu e_k) - L(theta)] / mu

    A layer is linear in each of its parameters, so what one of them does to the
    layer's output is known beforehand. A weight W_oi moves output o by mu x_i, a bias
    by mu; entry (r, i, o, r') of a tensor-train core moves outputs (.., o, ..) by mu times
    the input contracted with all other cores, which no o enters. Those units go through
    the activation again, their change through their columns of the next
    layer, and the loss of the changed scores is taken; what follows a
    next layer that gives no scores is computed again for each parameter.

    The numbers are those of `CGE(mu=mu, two_sided=two_sided)` up to rounding, and in
    float32 more accurate, as no two losses are subtracted. Layer-access tier: activations are looked at and moved.

    Differs from the feature reuse of DeepZero (Chen et al., ICLR 2024), which passes through the changed layer once
    for each parameter and then through what follows: here the changed layer is passed through once for all.

    mu: in units of parameters.

    >>> import bpfree as bf
    >>> graph = bf.Sequential(784, [bf.Linear(32), bf.ReLU(), bf.Linear(10)]).graph
    >>> StructuredCGE().forwards(graph, batch_size=1), bf.CGE().evaluations(graph)
    (41, 50900)
    """

    mu: float | Schedule = 2.0**-10
    two_sided: bool = True

    direction = "coordinate"

    def __post_init__(self):
        check_radius("mu", self.mu)
        check_choice("two_sided", self.two_sided, (True, False))

    @np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore")  # Estimate.finite tells
    def estimate(self, trainer, engine, theta, batch, step: int) -> Estimate:
        """One step's Estimate: a pass that keeps partial contractions, and changes of its activations."""
        graph, mu = trainer.graph, engine.dtype.type(value_at(self.mu, step))
        sums = {part.name: np.zeros(part.size, engine.dtype) for part in graph.slices if not part.frozen}
        matrices, losses, at_once = {}, [], _samples_at_once(graph)
        for first in range(0, len(batch), at_once):
            part_of_batch = batch.take(slice(first, first + at_once))
            view = LayerView(trainer, engine, theta, part_of_batch, step, trace=_Sweeps)
            losses.append(view.losses)
            for node in trained(graph):
                changes = Changes(view, node.output, matrices)
                for part, moves in zip(graph.slices[node.first_slice :], view.trace.moves[node.name]):
                    if not part.frozen:
                        moves = np.broadcast_to(moves, (*moves.shape[:-1], view.trace.n))
                        self._add_differences(sums[part.name], changes, moves, mu)
        real = engine.dtype.type
        share = real(1) / (real(1 + self.two_sided) * mu * real(len(batch)))
        gradient = np.concatenate([sums[part.name] for part in graph.slices if not part.frozen]) * share
        return Estimate(gradient[None], np.concatenate(losses)[None], self.forwards(graph, len(batch)))

    def forwards(self, graph, batch_size: int) -> int:
        """The pass, the partial contractions and all changes, in passes of one sample."""
        each, once, sides = 0, 0, 1 + self.two_sided
        of_nodes, probed, linear = dict(zip(graph.nodes, node_macs(graph), strict=True)), trained(graph), set()
        for node in probed:
            of_nodes[node], shapes = node.op.layer.moves_cost(node.site)
            suffix = Suffix.of(graph, node.output)
            for part, (before, after, s, t) in zip(graph.slices[node.first_slice :], shapes):
                if not part.frozen:
                    units = before * after
                    each += units * s * t + part.size * sides * suffix.macs(graph, units)
            linear |= {suffix.linear} - {None}
        for node in linear:
            once += node.op.layer.matrix_macs(node.site)
        macs = (each + sum(of_nodes.values())) * batch_size + once
        return -(-macs // graph_macs(graph))

    def _add_differences(self, sums, changes: Changes, moves, mu) -> None:
        """Add to the sums of a parameter tensor, sample after sample, what its elements change the losses by."""
        before, after, s, t, n = moves.shape
        sums = sums.reshape(s, -1, t)
        outputs, elements = sums.shape[1], s * t
        units = np.arange(before * outputs * after).reshape(before, outputs, after)
        units = units.swapaxes(0, 1).reshape(outputs, before * after)
        ahead = mu * moves.reshape(before * after, elements, n)
        steps = (ahead, -ahead) if self.two_sided else (ahead,)
        found = sums.swapaxes(0, 1).reshape(outputs, elements)
        most = max(1, MOST_CHANGED // (changes.width(before * after) * n))
        few = min(most, elements)
        for o in range(0, outputs, most // few):
            for k in range(0, elements, few):
                own = units[o : o + most // few]
                differences, *behind = (changes.of(own, side[:, k : k + few]) for side in steps)
                if behind:
                    differences = differences - behind[0]
                block = found[o : o + most // few, k : k + few]
                block[...] = running_sum(np.concatenate([block[..., None], differences], axis=2), axis=2)
        sums[...] = found.reshape(outputs, s, t).swapaxes(0, 1)


class _Sweeps(Trace):
    """A trace whose pass also finds how outputs move with trained parameters. moves: by node name."""

    def __init__(self, engine, graph, *others):
        self.moves, self._probed = {}, trained(graph)
        super().__init__(engine, graph, *others)

    def first(self, node):
        if node not in self._probed:
            return super().first(node)
        inputs = self.inputs(node)
        y, self.moves[node.name] = node.op.layer.moves(node.site, self.arithmetic, self.parameters(node), inputs)
        return y if inputs else np.repeat(y, self.n, axis=1)


def _samples_at_once(graph) -> int:
    """Samples whose partial contractions are held together."""
    floats = 1
    for node in trained(graph):
        _, shapes = node.op.layer.moves_cost(node.site)
        floats = max(floats, *map(prod, shapes))
    return max(1, MOST_KEPT // floats)


ROW = StructuredCGE.row = EstimatorRow(
    "structured_cge", StructuredCGE, "coordinate", tier="layer-access", journal="SNAPSHOT", number=6,
    c=host_only("keeps partial contractions of every layer: more memory than a device has; UnitWise fits one"),
)  # fmt: skip
