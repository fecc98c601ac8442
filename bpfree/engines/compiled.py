# SPDX-License-Identifier: MIT
"""The compiled engine: the C runtime on whole batches, vectorised over samples."""

from __future__ import annotations

import threading

import numpy as np

from bpfree.arithmetic import Fast, check_arithmetic
from bpfree.directions import DIRECTIONS
from bpfree.engines.cache import CACHE_BYTES, Cache
from bpfree.engines.native_arithmetic import Native
from bpfree.engines.native_ripples import RipplesInC
from bpfree.engines.probes import OWN_DIRECTION, pack
from bpfree.engines.recent import Recent
from bpfree.engines.reuse import members
from bpfree.errors import check_choice
from bpfree.graph.c_tables import model_tables
from bpfree.losses import LOSSES
from bpfree.native import isa_names
from bpfree.native.model import NativeModel, tile_bytes
from bpfree.native.pde import NativeJets
from bpfree.native.trainer import NativeTrainer
from bpfree.ops.taylor import check_jets
from bpfree.registry import IN_PYTHON


class CompiledEngine:
    """runtime_c through cffi, float32; each call computes in the thread that makes it.

    Several threads may use one engine side by side: each has tables and an arena of its own, which go
    with the thread.

    isa: instruction set of the kernels ("scalar", "baseline", "avx2",
    "avx512"); default: the widest this processor has. cache_bytes: most memory
    for activations that are kept so that a probe runs only what it
    changes; 0: every probe runs all. All give the same bits.

    blas: let NumPy's BLAS do the products that layer-access estimators make on
    whole batches: faster on wide dense layers where it fuses multiply and add,
    and then bits depend on the machine, of these estimators alone.

    >>> import bpfree as bf
    >>> model, x = bf.Sequential(2, [bf.Linear(3), bf.Tanh()]), [[0.5, -2.0]]
    >>> bool((model.predict(x, CompiledEngine("scalar")) == model.predict(x, "exact")).all())
    True
    """

    dtype = np.dtype(np.float32)
    weighs = True
    takes_own_rows = False

    def __init__(self, isa: str | None = None, cache_bytes: int = CACHE_BYTES, blas: bool = False):
        # a missing core or instruction set is reported here, not in the middle of a run
        self.isa = check_choice("isa", isa or isa_names()[-1], isa_names())
        self.blas = check_choice("blas", blas, (True, False))
        self.name = "compiled, blas" if blas else "compiled"
        self.arithmetic = Fast if blas else Native(isa_names(supported=False).index(self.isa))
        self._built = _Built()
        self.cache = Cache(cache_bytes, tile_bytes)

    def __reduce__(self):
        """Copied or sent elsewhere: one of the same kind, which builds its own tables."""
        return CompiledEngine, (self.isa, self.cache.cache_bytes, self.blas)

    def predict(self, graph, theta, frozen, x) -> np.ndarray:
        """Outputs (n, outputs) of x (n, features)."""
        return self.model(graph, frozen).predict(theta, x)

    def evaluate(self, graph, theta, frozen, batch, loss, probes) -> tuple[np.ndarray, int]:
        """Losses (probes, n), times weights, of every sample at every probe; their cost in passes of one sample."""
        number, table = LOSSES.number(loss), _in_c(pack(probes))
        kept, forwards = self.cache.choose(graph, probes, len(batch))
        rippling = self.cache.flow(graph).rippling(table) & kept.ripples
        values = np.empty((len(table), len(batch)), np.float32)
        if rippling.any():
            values[rippling] = self.ripples(graph, frozen).evaluate(theta, frozen, batch, loss, table[rippling])
        if not rippling.all():
            model = self.model(graph, frozen)
            model.keep([graph.nodes[k].output for k in members(kept.tensors)], self.cache.cache_bytes)
            given = batch.x, batch.labels, batch.targets, number
            values[~rippling] = model.evaluate(theta, *given, table[~rippling])
        return batch.weighed(values), forwards

    def apply(self, trainer, theta, state, step, coefficients):
        """One step from its record, by `bpfree_apply`; by an update of one's own in Python."""
        check_arithmetic(f"step {step}")
        if trainer.own_links:
            return trainer.apply(theta, state, step, coefficients)
        if not trainer.in_c and trainer.update.sees_record:
            return trainer.apply(theta, state, step, coefficients)  # C knows its gradient, not its record
        if not trainer.in_c:
            coefficients = trainer.gradient(step, coefficients)[None]
            if not np.isfinite(coefficients).all():
                return np.full_like(theta, np.nan), state  # an overflow, which the caller looks for in theta
        native = self._built.trainers.get(trainer, lambda: self._native_trainer(trainer))
        return native.apply(theta, state, step, coefficients)

    def jets(self, graph, theta, frozen, points, streams):
        """Value (outputs, n) and streams (outputs, count - 1, n) at points (n, features), in C: Taylor."""
        check_jets(graph.nodes)
        model = self.model(graph, frozen)
        own = self._built.jets.get(streams, lambda: Recent()).get(model, lambda: NativeJets(model, streams))
        return own(np.ascontiguousarray(theta, np.float32), np.asarray(points, np.float32))

    def model(self, graph, frozen) -> NativeModel:
        """The C tables of a graph, built once, with these constants."""
        model = self._built.models.get(graph, lambda: NativeModel(model_tables(graph), self.isa))
        model.frozen[:] = frozen
        return model

    def ripples(self, graph, frozen) -> RipplesInC:
        """The C tables of a graph's ripples, built once, with these constants."""
        model = self.model(graph, frozen)
        return self._built.ripples.get(model, lambda: RipplesInC(self.cache.flow(graph).ripples, model))

    def _native_trainer(self, trainer) -> NativeTrainer:
        settings = trainer.native_settings()
        if trainer.estimator.coefficients_are == "gradient":  # in one pass over memory then
            settings |= {"estimator": None, "settings": None}
        return NativeTrainer(self.model(trainer.graph, trainer.frozen), **settings)


class _Built(threading.local):
    """What a thread has built of graphs and runs: C writes into all of it, so no two threads share any."""

    def __init__(self):
        self.models, self.ripples, self.trainers, self.jets = Recent(), Recent(), Recent(), Recent()


def _in_c(packed):
    """Probes along directions that C has."""
    if (packed["direction"] == OWN_DIRECTION).any():
        raise ValueError(f"direction: expected one of {', '.join(DIRECTIONS.names)} in C, got one's own: {IN_PYTHON}")
    return packed
