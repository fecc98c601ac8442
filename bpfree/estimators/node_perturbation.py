# SPDX-License-Identifier: MIT
"""Random node perturbation: all units of a layer at once, in random directions, every sample its own."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree import rng
from bpfree.engines.cost import macs_after
from bpfree.errors import check_choice, check_count
from bpfree.estimators.layer_access import LayerAccess, LayerView, check_head
from bpfree.estimators.table import EstimatorRow
from bpfree.registry import host_only
from bpfree.schedules.table import Schedule, check_radius, value_at


@dataclass(frozen=True)
class NodePerturbation(LayerAccess):
    """Random directions over a layer's units, per sample, and local outer products.

    two-sided: dL_b/da = 1/q sum_i [L_b(a + mu u_bi) - L_b(a - mu u_bi)] / (2 mu) u_bi
    one-sided: dL_b/da = 1/q sum_i [L_b(a + mu u_bi) - L_b(a)] / mu u_bi

    with a one layer's activations at a time, u_bi in {-1, 1}^units drawn for
    every sample b, so one pass measures a direction for each of them; the
    gradient of the weights is the mean of outer products with the layer's inputs.
    (Werfel, Xie and Seung, Neural Computation 2005; Fiete and Seung, PRL 2006.)
    E[g] is the gradient up to O(mu^2), two-sided, kinks of ReLU aside; a layer's variance falls with
    the batch and with q, and grows with its units, not with its weights.

    n_queries: directions q a step, layer and sample. mu: in units of activations.
    head: where derivatives by the scores come from; "exact" is closed-form,
    "probe" perturbs them like any other layer. Batches of at most 65,536 samples.

    Layer-access tier; with the exact head partly closed-form.

    >>> import bpfree as bf
    >>> import numpy as np
    >>> model = bf.Sequential(4, [bf.Linear(8), bf.Tanh(), bf.Linear(2)])
    >>> x, y = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> run = bf.train(model, (x, y), estimator=NodePerturbation(), update=bf.SGD(0.5), max_steps=200, batch_size=4)
    >>> run.losses[-1] < 0.1
    True
    """

    n_queries: int = 1
    mu: float | Schedule = 2.0**-7
    two_sided: bool = True
    head: str = "exact"

    direction = "node"

    def __post_init__(self):
        check_count("n_queries", self.n_queries, 1, 4096)
        check_radius("mu", self.mu)
        check_choice("two_sided", self.two_sided, (True, False))
        check_head(self.head)

    def derivative(self, view: LayerView, tensor: int):
        """The estimate of dL/d tensor, (units, n)."""
        mu, value = view.dtype.type(value_at(self.mu, view.step)), view.trace.values[tensor]
        width = view.dtype.type(1 + self.two_sided) * mu
        share = view.dtype.type(1) / (width * view.dtype.type(self.n_queries))
        block, total = first_block(view.graph, tensor), 0
        for query in range(self.n_queries):
            u = rng.sample_signs(view.seed, view.step, rng.Domain.NODE, query, block, *value.shape)
            moved = mu * u.astype(view.dtype)
            below = view.losses_with(tensor, value - moved) if self.two_sided else view.losses
            total = total + (view.losses_with(tensor, value + moved) - below) * u.astype(view.dtype)
        return total * share

    def probe_macs(self, graph, tensor: int) -> tuple[int, int]:
        """What follows the layer, for each query and side."""
        return self.n_queries * (1 + self.two_sided) * macs_after(graph, tensor), 0


def first_block(graph, tensor: int) -> int:
    """The random block of a tensor's first unit: every tensor starts on a fresh one."""
    return sum(-(-other.size // rng.BLOCK) for other in graph.tensors[:tensor])


ROW = NodePerturbation.row = EstimatorRow(
    "node_perturbation", NodePerturbation, "node", tier="layer-access", journal="SNAPSHOT", number=5,
    c=host_only("its passes run through whole layers of a batch; unit_wise is the one for devices"),
)  # fmt: skip
