# SPDX-License-Identifier: MIT
"""The compiled engine: the C runtime on whole batches, vectorised over samples."""

from __future__ import annotations

import numpy as np

from bpfree.engines.native_arithmetic import Native
from bpfree.errors import check_choice
from bpfree.native import isa_names
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer
from bpfree.probes import pack
from bpfree.tables import model_tables


class CompiledEngine:
    """runtime_c through cffi, float32, one thread.

    isa: instruction set of the kernels ("scalar", "baseline", "avx2",
    "avx512"); default: the widest this processor has. All give the same bits.

    >>> import bpfree as bf
    >>> model, x = bf.Sequential(2, [bf.Linear(3), bf.Tanh()]), [[0.5, -2.0]]
    >>> bool((model.predict(x, CompiledEngine("scalar")) == model.predict(x, "exact")).all())
    True
    """

    name = "compiled"
    dtype = np.dtype(np.float32)

    def __init__(self, isa: str | None = None):
        # a missing core or instruction set is reported here, not in the middle of a run
        self.isa = check_choice("isa", isa or isa_names()[-1], isa_names())
        self.arithmetic = Native(isa_names(supported=False).index(self.isa))
        self._models, self._trainers = _Recent(), _Recent()

    def predict(self, graph, theta, frozen, x) -> np.ndarray:
        """Outputs (n, outputs) of x (n, features)."""
        return self.model(graph, frozen).predict(theta, x)

    def evaluate(self, graph, theta, frozen, batch, loss, probes) -> np.ndarray:
        """Losses (probes, n) of every sample at every probe."""
        model = self.model(graph, frozen)
        return model.evaluate(theta, batch.x, batch.labels, batch.targets, loss.number, pack(probes))

    def apply(self, trainer, theta, state, step, coefficients):
        """One step from its record, by `bpfree_apply`."""
        if not trainer.in_c and trainer.update.sees_record:
            return trainer.apply(theta, state, step, coefficients)  # C knows its gradient, not its record
        if not trainer.in_c:
            coefficients = trainer.gradient(step, coefficients)[None]
            if not np.isfinite(coefficients).all():
                return np.full_like(theta, np.nan), state  # an overflow, which the caller looks for in theta
        native = self._trainers.get(trainer, lambda: self._native_trainer(trainer))
        return native.apply(theta, state, step, coefficients)

    def model(self, graph, frozen) -> NativeModel:
        """The C tables of a graph, built once, with these constants."""
        model = self._models.get(graph, lambda: NativeModel(model_tables(graph), self.isa))
        model.frozen[:] = frozen
        return model

    def _native_trainer(self, trainer) -> NativeTrainer:
        return NativeTrainer(self.model(trainer.graph, trainer.frozen), **trainer.native_settings())


class _Recent:
    """The few latest things built, by identity of what they were built from."""

    def __init__(self, most: int = 8):
        self._most, self._entries = most, {}

    def get(self, source, build):
        """What was built from this very object, or build() now."""
        entry = self._entries.pop(id(source), None) or (source, build())
        self._entries[id(source)] = entry  # latest last; holding source keeps its id its own
        if len(self._entries) > self._most:
            del self._entries[next(iter(self._entries))]
        return entry[1]
