# SPDX-License-Identifier: MIT
"""SoftSign: g <- fl(fl(lr g) / fl(1 + |g|))."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.schedules.table import Schedule, check_rate, start_of
from bpfree.updates.table import Update, UpdateRow


@dataclass(frozen=True)
class SoftSign(Update):
    """theta <- theta - lr g / (1 + |g|): SGD for small gradients, at most lr for large ones; no state.

    >>> SoftSign(lr=0.5).update(np.array([1.0, -3.0]), [], np.zeros(2), step=0)[0].tolist()
    [-0.25, 0.375]
    """

    lr: float | Schedule = 1e-2

    def __post_init__(self):
        check_rate("lr", self.lr)

    @property
    def settings(self) -> tuple[float, ...]:
        """{lr}."""
        return (start_of(self.lr),)

    def transform(self, gradient, state, theta):
        """Elementwise."""
        real = theta.dtype.type
        return (real(start_of(self.lr)) * gradient) / (real(1) + np.abs(gradient)), state

    def largest(self, size, limit, n_record):
        """Return lr times the denominator, which is larger than what is divided by it."""
        return max(1.0, start_of(self.lr)) * (1 + size)


ROW = SoftSign.row = UpdateRow("soft_sign", SoftSign, number=8, c="bpfree_upd_soft_sign")
