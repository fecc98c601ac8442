# SPDX-License-Identifier: MIT
"""The reference engine: NumPy, readable, and the definition of what C must do."""

from __future__ import annotations

import numpy as np

from bpfree.arithmetic import Exact, Fast
from bpfree.engines.trace import Trace
from bpfree.probes import perturb

_DIVERGENCE_IS_A_RESULT = np.errstate(over="ignore", invalid="ignore", under="ignore")
"""An overflow becomes an infinite loss, which the trainer reports with advice; NumPy need not warn too."""


class ReferenceEngine:
    """NumPy; fast with BLAS, or `exact`: the compiled engine's bits (float32 only).

    dtype: float32 or float64, of activations and losses; theta stays float32.

    >>> import bpfree as bf
    >>> bf.Sequential(2, [bf.ReLU()]).predict([[-1.0, 2.0]], ReferenceEngine(exact=True)).tolist()
    [[0.0, 2.0]]
    """

    def __init__(self, exact: bool = False, dtype=np.float32):
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.dtype(np.float32), np.dtype(np.float64)) or (exact and self.dtype != np.float32):
            raise ValueError(f"dtype: expected float32, or float64 when not exact, got {self.dtype}")
        self.name = "exact" if exact else "reference"
        self.arithmetic = Exact if exact else Fast

    @_DIVERGENCE_IS_A_RESULT
    def predict(self, graph, theta, frozen, x) -> np.ndarray:
        """Outputs (n, outputs) of x (n, features)."""
        return np.ascontiguousarray(self._forward(graph, theta, frozen, x).T)

    @_DIVERGENCE_IS_A_RESULT
    def evaluate(self, graph, theta, frozen, batch, loss, probes) -> np.ndarray:
        """Losses (probes, n) of every sample at every probe."""
        theta = theta.astype(self.dtype)
        target = batch.labels if loss.labels else batch.targets.T.astype(self.dtype)
        values = np.empty((len(probes), len(batch)), self.dtype)
        for row, probe in zip(values, probes, strict=True):
            y = self._forward(graph, perturb(graph, theta, probe), frozen, batch.x)
            row[:] = loss.values(self.arithmetic, y, target)
        return values

    @_DIVERGENCE_IS_A_RESULT
    def apply(self, trainer, theta, state, step, coefficients):
        """One step from its record; the update sees the gradient the record stands for."""
        coefficients = coefficients.astype(theta.dtype)  # records are float32, however losses were computed
        return trainer.apply(theta, state, step, coefficients)

    def _forward(self, graph, theta, frozen, x):
        """Feature-major inside, samples last: (features, n)."""
        return Trace(self, graph, theta, frozen, x).output
