# SPDX-License-Identifier: MIT
"""The compiled engine: the C runtime on whole batches, vectorised over samples."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_choice
from bpfree.native import isa_names
from bpfree.probes import pack
from bpfree.tables import model_tables


class CompiledEngine:
    """runtime_c through cffi, float32, one thread.

    isa: instruction set of the kernels ("scalar", "baseline", "avx2",
    "avx512"); default: the widest this processor has. All give the same bits.
    """

    name = "compiled"
    dtype = np.dtype(np.float32)

    def __init__(self, isa: str | None = None):
        # a missing core or instruction set is reported here, not in the middle of a run
        self.isa = check_choice("isa", isa or isa_names()[-1], isa_names())
        self._models = {}
        self._trainers = {}

    def predict(self, graph, theta, frozen, x) -> np.ndarray:
        """Outputs (n, outputs) of x (n, features)."""
        return self.model(graph, frozen).predict(theta, x)

    def evaluate(self, graph, theta, frozen, batch, loss, probes) -> np.ndarray:
        """Losses (probes, n) of every sample at every probe."""
        model = self.model(graph, frozen)
        return model.evaluate(theta, batch.x, batch.labels, batch.targets, loss.number, pack(probes))

    def apply(self, trainer, theta, state, step, coefficients):
        """One step from its record, by `bpfree_apply`."""
        from bpfree.native.trainer import NativeTrainer

        if trainer not in self._trainers:
            self._trainers[trainer] = NativeTrainer(
                self.model(trainer.graph, trainer.frozen), **trainer.native_settings()
            )
        return self._trainers[trainer].apply(theta, step, coefficients), state

    def model(self, graph, frozen):
        """The C tables of a graph, built once."""
        from bpfree.native.model import NativeModel

        key = (id(graph), id(frozen))
        if key not in self._models:
            # the entry keeps both alive, so their ids stay theirs
            self._models[key] = (graph, frozen, NativeModel(model_tables(graph), frozen, self.isa))
        return self._models[key][2]
