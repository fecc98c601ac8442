# SPDX-License-Identifier: MIT
"""What the layer-access estimators share: from derivatives by activations to the gradient of the parameters."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bpfree.engines.cost import graph_macs, node_macs
from bpfree.engines.trace import Trace
from bpfree.errors import check_choice
from bpfree.estimators.estimate import Estimate
from bpfree.estimators.routes import end_of, readers, trained
from bpfree.estimators.table import Estimator
from bpfree.losses.weighed import weighed
from bpfree.ops.runs import slope_of

HEADS = ("exact", "probe")
"""Where the derivatives by the scores come from: the loss in closed form, or differences of it."""


class LayerView:
    """A minibatch as it lies in the layers: every activation, what each one feeds, the loss of every sample."""

    def __init__(self, trainer, engine, theta, batch, step: int, trace=Trace):
        if not hasattr(engine, "arithmetic"):
            name = trainer.estimator.row.name
            expected = f"reference, exact or compiled, as {name} looks into the layers"
            raise TypeError(f"engine: expected {expected}, got {engine!r}")
        self.graph, self.seed, self.step = trainer.graph, trainer.seed, step
        self.arithmetic, self.dtype = engine.arithmetic, engine.dtype
        self.loss = weighed(trainer.loss, batch.weights)
        self.trace = trace(engine, trainer.graph, theta, trainer.frozen, batch.x)
        self.target = self.loss.target(batch, self.dtype)
        self.losses = self.loss.losses(self.arithmetic, self.trace.output, self.target)
        self.output = self.graph.nodes[-1].output

    def target_of(self, copies: int):
        """The target of so many copies of the batch, one after the other."""
        return self.loss.repeated(self.target, copies)

    def losses_with(self, tensor: int, value, copies: int = 1):
        """Losses (copies, n) where a tensor is value (features, copies n)."""
        y = self.trace.rerun(tensor, value, copies)
        return self.loss.losses(self.arithmetic, y, self.target_of(copies)).reshape(copies, -1)


class _PartialsTrace(Trace):
    """A trace that keeps what the gradients of trained nodes are made of, where that is more than their inputs."""

    def __init__(self, engine, graph, *others):
        self._partials, self._trained = {}, {node.name for node in trained(graph)}
        super().__init__(engine, graph, *others)

    def first(self, node):
        partials = node.op.layer.partials if node.name in self._trained else None
        if partials is None:
            return super().first(node)
        y, self._partials[node.name] = partials(node.site, self.arithmetic, self.parameters(node), self.inputs(node))
        return y

    def inputs_of_project(self, node):
        """Inputs of a trained node, in the form that its `project` takes them."""
        return self._partials[node.name] if node.name in self._partials else self.inputs(node)


class LayerAccess(Estimator):
    """Layer-access tier: activations are looked at and moved, the parameters never.

    A node's parameters get sum_b delta_b . dy_b / B, delta = dL/dy per sample, y its
    output: a local outer product. delta is carried back through elementwise
    operations by their derivative, to the first tensor that something else reads;
    there `derivative` finds it, or, at the scores, the loss itself (head="exact").
    The record of a step is the gradient, (1, n_theta).
    """

    head = "exact"
    coefficients_are = "gradient"
    needs = "which moves activations and not theta"

    def record_shape(self, graph) -> tuple[int, int]:
        """(1, n_theta)."""
        return 1, graph.n_theta

    def gradient(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """The record."""
        return coefficients[0]

    def coordinates(self, graph, seed: int, step: int) -> np.ndarray:
        """The elements of theta: all, in order."""
        return np.arange(graph.n_theta)

    def derivative(self, view: LayerView, tensor: int):
        """dL/d tensor of every sample, (features, n)."""
        raise NotImplementedError

    def probe_macs(self, graph, tensor: int) -> tuple[int, int]:
        """What `derivative` costs there: for a sample, and once a batch."""
        raise NotImplementedError

    @np.errstate(over="ignore", invalid="ignore", under="ignore")  # what is not finite is a result: Estimate.finite
    def estimate(self, trainer, engine, theta, batch, step: int) -> Estimate:
        """One step's Estimate: a pass that keeps its activations, probes of them, outer products."""
        view = LayerView(trainer, engine, theta, batch, step, trace=_PartialsTrace)
        found, share = {}, view.dtype.type(1) / view.dtype.type(len(batch))
        gradient = np.empty(trainer.graph.n_theta, view.dtype)
        for node in trained(trainer.graph):
            trace = view.trace
            delta = self._delta(view, node.output, found)
            slices = trainer.graph.slices[node.first_slice :]
            room = None if slices[0].frozen else gradient[slices[0].range].reshape(slices[0].shape)
            project = node.op.layer.project
            parameters, given = trace.parameters(node), trace.inputs_of_project(node)
            parts = project(node.site, view.arithmetic, parameters, given, delta, room)
            for own, part in zip(slices, parts):
                if not own.frozen:
                    np.multiply(part.ravel(), share, out=gradient[own.range])
        return Estimate(gradient[None], view.losses[None], self.forwards(trainer.graph, len(batch)))

    def evaluations(self, graph) -> int:
        """One: the pass at theta. What probes cost is counted in forwards."""
        return 1

    def forwards(self, graph, batch_size: int) -> int:
        """The pass, the probes and the outer products, in passes of one sample."""
        return _forwards(self, graph, batch_size)

    def _delta(self, view: LayerView, tensor: int, found: dict):
        """dL/d tensor, from where it can be found back through elementwise operations."""
        if tensor not in found:
            if tensor == view.output and self.head == "exact":
                found[tensor] = view.loss.slopes(view.arithmetic, view.trace.output, view.target)
            elif tensor == end_of(view.graph, tensor):
                found[tensor] = self.derivative(view, tensor)
            else:
                (node,), values = readers(view.graph, tensor), view.trace.values
                x, y = values[tensor], values[node.output]
                slope = slope_of(node.op, "derivative", node.site, view.arithmetic, x, y)
                found[tensor] = slope * self._delta(view, node.output, found)
        return found[tensor]


@lru_cache(maxsize=64)  # the same at every step
def _forwards(estimator, graph, batch_size: int) -> int:
    costs = [(sum(node_macs(graph)), 0)]
    for node in trained(graph):
        costs.append(node.op.layer.project_macs(node.site))
    for tensor in {end_of(graph, node.output) for node in trained(graph)}:
        if tensor != graph.nodes[-1].output or estimator.head == "probe":
            costs.append(estimator.probe_macs(graph, tensor))
    each, once = map(sum, zip(*costs))
    return -(-(each * batch_size + once) // graph_macs(graph))


def check_head(head) -> None:
    """Raise unless it is one of HEADS."""
    check_choice("head", head, HEADS)
