# SPDX-License-Identifier: MIT
"""The result of one estimate: coefficients or a gradient, the losses it looked at, and their cost."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """What an estimator makes of the losses of one step, and what `Estimator.estimate` gives.

    coefficients (groups, queries): g = sum_i coefficients_i u_i, the record of
    the step. losses (evaluations, B): of every sample, wherever the minibatch was
    looked at. forwards: what that cost, all multiply-accumulates in units of one
    sample's plain pass. diagnostics: named numbers.

    >>> import bpfree as bf
    >>> estimate = bf.Estimate(np.array([[0.5, -1.0]]), losses=np.ones((4, 8)), forwards=4 * 8)
    >>> estimate.n_evaluations, estimate.loss, estimate.finite
    (4, 1.0, True)
    """

    coefficients: np.ndarray
    losses: np.ndarray
    forwards: int
    diagnostics: dict = field(default_factory=dict)

    def __repr__(self) -> str:
        groups, queries = self.coefficients.shape
        told = f"{groups} x {queries} coefficients, {self.n_evaluations} losses of mean {self.loss:.6g}"
        return f"Estimate({told}, {self.forwards} forwards)"

    @property
    def n_evaluations(self) -> int:
        """Losses of the minibatch that were looked at."""
        return len(self.losses)

    @property
    def loss(self) -> float:
        """The mean of all losses that were looked at."""
        return float(self.losses.mean(dtype=np.float64))  # a sum of float32 may have no place in it

    @property
    def finite(self) -> bool:
        """Whether all coefficients are finite: a step with a loss that is not never updates."""
        return bool(np.isfinite(self.coefficients).all())
