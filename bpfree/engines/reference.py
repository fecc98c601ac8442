# SPDX-License-Identifier: MIT
"""The reference engine: NumPy, readable, and the definition of what C must do."""

from __future__ import annotations

from functools import partial
from operator import mul

import numpy as np

from bpfree.arithmetic import Exact, Fast, check_arithmetic
from bpfree.blas import threads_for
from bpfree.engines.cache import CACHE_BYTES, Cache
from bpfree.engines.cost import largest_product
from bpfree.engines.probes import pack, perturb
from bpfree.engines.reuse import members
from bpfree.engines.stage_runs import run_ripple, run_stages
from bpfree.engines.trace import Trace, run_node

_DIVERGENCE_IS_A_RESULT = np.errstate(over="ignore", invalid="ignore", under="ignore")
"""An overflow becomes an infinite loss, which the trainer reports with advice; NumPy need not warn too."""


class ReferenceEngine:
    """NumPy; fast with BLAS, or `exact`: the compiled engine's bits (float32 only).

    dtype: float32 or float64, of activations and losses; theta stays float32.
    cache_bytes: most memory for activations that are kept so that a probe runs
    only what it changes; 0: every probe runs all. `exact` has the same bits either
    way; BLAS rounds a part of a product as it likes.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.ReLU()]).predict([[-1.0, 2.0]], ReferenceEngine(exact=True)).tolist()
    [[0.0, 2.0]]
    """

    weighs = True

    def __init__(self, exact: bool = False, dtype=np.float32, cache_bytes: int = CACHE_BYTES):
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.dtype(np.float32), np.dtype(np.float64)) or (exact and self.dtype != np.float32):
            raise ValueError(f"dtype: expected float32, or float64 when not exact, got {self.dtype}")
        self.name = "exact" if exact else "reference"
        self.arithmetic = Exact if exact else Fast
        self.cache = Cache(cache_bytes, partial(mul, self.dtype.itemsize))

    @_DIVERGENCE_IS_A_RESULT
    def predict(self, graph, theta, frozen, x) -> np.ndarray:
        """Outputs (n, outputs) of x (n, features)."""
        self._check("predict")
        with threads_for(largest_product(graph, len(x))):
            return np.ascontiguousarray(self._forward(graph, theta, frozen, x).T)

    @_DIVERGENCE_IS_A_RESULT
    def evaluate(self, graph, theta, frozen, batch, loss, probes) -> tuple[np.ndarray, int]:
        """Losses (probes, n), times weights, of every sample at every probe; their cost in passes of one sample."""
        self._check("evaluate")
        theta, frozen = theta.astype(self.dtype), frozen.astype(self.dtype, copy=False)
        target = loss.target(batch, self.dtype)
        flow, (kept, forwards) = self.cache.flow(graph), self.cache.choose(graph, probes, len(batch))
        x = np.ascontiguousarray(batch.x.T, self.dtype)
        rippling = flow.rippling(pack(probes)) & kept.ripples
        values = np.empty((len(probes), len(batch)), self.dtype)
        given = graph, theta, frozen, flow, x
        runs = partial(self._ripples, *given), partial(self._nodes, *given, kept.tensors)
        for own, outputs in zip((rippling, ~rippling), runs):
            chosen = np.flatnonzero(own).tolist()
            found = outputs([probes[k] for k in chosen]) if chosen else ()
            for k, y in zip(chosen, found):
                values[k] = loss.losses(self.arithmetic, y, target)
        return batch.weighed(values), forwards

    @_DIVERGENCE_IS_A_RESULT
    def apply(self, trainer, theta, state, step, coefficients):
        """One step from its record; the update sees the gradient the record stands for."""
        if theta.dtype == np.float32:
            check_arithmetic(f"step {step}")
        coefficients = coefficients.astype(theta.dtype)  # records are float32, however losses were computed
        return trainer.apply(theta, state, step, coefficients)

    def _check(self, what: str) -> None:
        """Raise where this thread does not compute as the bits need that `exact` promises."""
        if self.arithmetic is Exact:
            check_arithmetic(what)

    def _forward(self, graph, theta, frozen, x):
        """Feature-major inside, samples last: (features, n)."""
        return Trace(self, graph, theta, frozen, x).output

    def _nodes(self, graph, theta, frozen, flow, x, tensors, probes):
        """The outputs (features, n) at each probe, from the nodes that it changes and the tensors kept of a pass."""
        known = {0: x}
        at_theta = self._run(graph, theta, frozen, flow.base(tensors), known)
        known |= {tensor: at_theta[tensor] for tensor in (graph.nodes[k].output for k in members(tensors))}
        del at_theta  # what was not to be kept
        for probe, moved in zip(probes, flow.moves(pack(probes)), strict=True):
            nodes = flow.run(moved.changed, tensors)
            yield self._run(graph, perturb(graph, theta, probe), frozen, nodes, known)[graph.nodes[-1].output]

    def _ripples(self, graph, theta, frozen, flow, x, probes):
        """The outputs (features, n) at each probe of one entry, or of theta, from the elements that it changes."""
        ripples, output = flow.ripples, graph.nodes[-1].output
        at_theta = run_stages(self.arithmetic, graph, ripples.stages, theta, frozen, x)
        for probe, number in zip(probes, ripples.slices(pack(probes)).tolist(), strict=True):
            if probe.mu == 0:
                yield at_theta[output]
                continue
            own, place = ripples.of_slice[number], int(ripples.packing.places[probe.element])
            moved = perturb(graph, theta, probe)
            yield run_ripple(self.arithmetic, graph, ripples.stages, own, place, moved, frozen, at_theta)[output]

    def _run(self, graph, theta, frozen, nodes, known):
        """The known tensors, and those that these nodes make of them."""
        tensors, n = dict(known), known[0].shape[1]
        for k in members(nodes):
            node = graph.nodes[k]
            parameters = graph.parameters(node, theta, frozen)
            tensors[node.output] = run_node(self.arithmetic, node, parameters, tensors.__getitem__, n)
        return tensors
