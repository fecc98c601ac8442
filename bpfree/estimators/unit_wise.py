# SPDX-License-Identifier: MIT
"""Unit-wise node perturbation: one unit of one sample at a time, all samples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.engines.cost import macs_after
from bpfree.errors import check_choice
from bpfree.estimators.device import Device
from bpfree.estimators.layer_access import LayerAccess, LayerView, check_head
from bpfree.estimators.routes import closed_layer, kept, made_of_others, only_linear, routes_of, settings_of, trained
from bpfree.estimators.table import EstimatorRow
from bpfree.native.structs import Struct
from bpfree.schedules.table import Schedule, check_radius, value_at

MOST_FLOATS = 1 << 21
"""Floats that the widest activation of the units probed together may take."""


@dataclass(frozen=True)
class UnitWise(LayerAccess):
    """Coordinate-wise differences over a layer's units, per sample, and local outer products.

    two-sided: dL_b/dh_j = [L_b(h + mu e_j) - L_b(h - mu e_j)] / (2 mu)
    one-sided: dL_b/dh_j = [L_b(h + mu e_j) - L_b(h)] / mu

    h are post-activations: across the kink of a ReLU a probe of pre-activations
    would be wrong by about sqrt(mu). Then dL/da = phi'(a) dL/dh, and a weight W_ji gets
    mean_b dL_b/da_j x_i. A unit's change costs one column of the next layer and
    what follows it; if that layer gives the scores, the changes of the loss have
    a closed form with exponentials that all samples share. Tensor-train
    layers get the gradients of their cores by partial sweeps: W is never built.

    mu: in units of activations. head: where derivatives by the scores come from;
    "exact" is closed-form, (p - y) for cross-entropy, "probe" finite differences, which a
    loss of your own without a `gradient` gets in either case.

    Layer-access tier. On a network of one hidden layer, with the exact head, this is the
    chain rule with one link replaced by a finite difference: it equals
    back-propagation up to O(mu^2), and costs about as much: it keeps the activations of
    the batch, and its closed form multiplies by (exp(mu W) - 1)^T. In a deep network
    each layer costs as many partial passes as it has units, and probes cross the kinks of
    the layers behind.

    Differs from node perturbation as published (:class:`bpfree.NodePerturbation`), which
    moves all units at once along random directions, before the activation: here one unit
    moves at a time, behind it, and nothing is random.

    >>> import bpfree as bf
    >>> model = bf.Sequential(4, [bf.Linear(3), bf.Tanh(), bf.Linear(2)])
    >>> x, y = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> run = bf.train(model, (x, y), estimator=UnitWise(), update=bf.SGD(1.0), max_steps=200, batch_size=4)
    >>> run.losses[-1] < 0.02
    True
    """

    mu: float | Schedule = 2.0**-7
    two_sided: bool = True
    head: str = "exact"

    direction = "unit"

    def __post_init__(self):
        check_radius("mu", self.mu)
        check_choice("two_sided", self.two_sided, (True, False))
        check_head(self.head)

    def derivative(self, view: LayerView, tensor: int):
        """Differences of the loss over every unit of a tensor, (units, n)."""
        mu = view.dtype.type(value_at(self.mu, view.step))
        changes = _changes(view, tensor)
        if self.two_sided:
            return (changes(mu) - changes(-mu)) * (view.dtype.type(1) / (mu + mu))
        return changes(mu) * (view.dtype.type(1) / mu)

    def probe_macs(self, graph, tensor: int) -> tuple[int, int]:
        """A column of the layer behind and what follows it, for each unit and side; and that layer's W."""
        units, sides, output = graph.tensors[tensor].size, 1 + self.two_sided, graph.nodes[-1].output
        linear = only_linear(graph, tensor)
        start = linear.output if linear else tensor
        column = graph.tensors[start].size if linear or start == output else 0
        once = linear.op.layer.matrix_macs(linear.site) if linear else 0
        return units * sides * (column + macs_after(graph, start)), once


def _changes(view: LayerView, tensor: int):
    """The function s -> L_b(h + s e_j) - L_b(h), (units, n), of every unit j."""
    linear, dtype = only_linear(view.graph, tensor), view.dtype
    if tensor == view.output:
        start, columns = tensor, np.eye(view.trace.output.shape[0], dtype=dtype)
    elif linear is None:
        start, columns = tensor, np.eye(view.graph.tensors[tensor].size, dtype=dtype)
    else:
        start = linear.output
        columns = linear.op.layer.matrix(linear.site, view.arithmetic, view.trace.parameters(linear))
    columns = columns[:, : view.graph.tensors[tensor].size]
    if start == view.output:
        return view.loss.changes_along(view.arithmetic, view.trace.output, view.target, columns)
    z = view.trace.values[start]
    block = max(1, MOST_FLOATS // (view.trace.widest(start) * view.trace.n))

    def changes(s):
        parts = []
        for first in range(0, columns.shape[1], block):
            own = columns[:, first : first + block]
            moved = (z[:, None, :] + s * own[:, :, None]).reshape(len(z), -1)
            parts.append(view.losses_with(start, moved, own.shape[1]) - view.losses)
        return np.concatenate(parts)

    return changes


class _OnDevice(Device):
    """What probes, slopes and outer products read stays in the arena."""

    def refusal(self, estimator, graph, batch_size: int = 1) -> str | None:
        """Why not: a layer that has no kernel, or sums over samples and sweeps, which a device makes in other order."""
        if node := closed_layer(graph):
            return f"unit_wise and {node}: on a device it needs dense layers or tensor trains"
        node = made_of_others(graph) if batch_size > 1 else None
        return node and f"unit_wise and {node} with a batch of {batch_size}: on a device it needs batch_size=1"

    def kept(self, graph) -> frozenset[int]:
        """Tensors that outlive a pass: inputs of layers, what slopes read, and what a probe starts from."""
        return kept(graph)

    def settings(self, estimator, graph, loss) -> Struct | None:
        """The struct with the loss in closed form and the routes; None for graphs that a device cannot train."""
        return None if self.refusal(estimator, graph) else settings_of(graph, loss, estimator.head == "exact")

    def record(self, estimator, graph, batch_size: int) -> int:
        """Floats of the gradient, or of the derivatives and inputs that it is made of where they are fewer."""
        if made_of_others(graph):
            return graph.n_theta
        factors = batch_size * sum(layer.site.features + layer.site.outputs for layer in trained(graph))
        return min(graph.n_theta, factors)

    def work(self, estimator, graph, batch_size: int) -> int:
        """Floats for what the loss needs of the scores, derivatives of the widest layer, what is put aside, sweeps."""
        if self.refusal(estimator, graph):
            return 0
        output, aside, column, within = graph.nodes[-1].output, [0], [0], [0]
        for route in routes_of(graph):
            start = route.start(graph)
            unit = route.tensor == output and estimator.head == "probe"
            if unit if start == output else start != route.tensor:
                aside.append(graph.tensors[start].size)
            node, behind = graph.nodes[route.node], route.column and graph.nodes[route.column]
            if not node.op.layer.dense:
                within.append(node.op.layer.device.project(node.site))
            if behind and not behind.op.layer.dense:
                column.append(graph.tensors[start].size)
                within.append(behind.op.layer.device.column(behind.site))
        widest = max(graph.tensors[route.tensor].size for route in routes_of(graph))
        return graph.tensors[output].size + widest + max(aside) + max(column) + max(within)


ROW = UnitWise.row = EstimatorRow(
    "unit_wise", UnitWise, "unit", tier="layer-access", journal="SNAPSHOT", number=4, c="bpfree_est_unit_wise",
    device=_OnDevice(),
)  # fmt: skip
