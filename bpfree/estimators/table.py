# SPDX-License-Identifier: MIT
"""What an estimator gives back, and its row of the table."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bpfree.registry import HostOnly


@dataclass(frozen=True)
class Estimate:
    """What an estimator makes of the losses of one step.

    coefficients (groups, queries): g = sum_i coefficients_i u_i, the record of
    the step. n_evaluations: black-box loss calls. diagnostics: named numbers.
    """

    coefficients: np.ndarray
    n_evaluations: int
    diagnostics: dict = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        """False when a loss was NaN or infinite; such a step never updates."""
        return bool(np.isfinite(self.coefficients).all())


@dataclass(frozen=True)
class EstimatorRow:
    """One row of the table: settings class, C symbol, kind of journal record, tier."""

    number: int
    name: str
    c: str | HostOnly
    settings: type
    journal: str
    tier: str
