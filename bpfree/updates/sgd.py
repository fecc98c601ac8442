# SPDX-License-Identifier: MIT
"""SGD: g <- fl(lr g)."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.schedules.table import Schedule, check_rate, start_of
from bpfree.updates.table import Update, UpdateRow


@dataclass(frozen=True)
class SGD(Update):
    """Plain gradient descent, theta <- theta - lr g; no state.

    >>> import numpy as np
    >>> SGD(lr=0.5).update(np.ones(2), [], np.zeros(2), step=0)[0].tolist()
    [-0.5, -0.5]
    """

    lr: float | Schedule = 1e-2

    def __post_init__(self):
        check_rate("lr", self.lr)

    @property
    def settings(self) -> tuple[float, ...]:
        """Return {lr}, as C reads it."""
        return (start_of(self.lr),)

    def transform(self, gradient, state, theta):
        """Return fl(lr g)."""
        return theta.dtype.type(start_of(self.lr)) * gradient, state

    def largest(self, size, limit, n_record):
        """Return lr times the gradient's size, or that."""
        return max(1.0, start_of(self.lr)) * size


ROW = SGD.row = UpdateRow("sgd", SGD, number=0, c="bpfree_upd_sgd")
