# SPDX-License-Identifier: MIT
"""SignSGD: g <- lr sign(g), sign(0) = 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.schedules.table import Schedule, check_rate, start_of
from bpfree.updates.table import Update, UpdateRow


@dataclass(frozen=True)
class SignSGD(Update):
    """theta <- theta - lr sign(g) (Bernstein et al., ICML 2018; for ZO, Liu et al., ICLR 2019); no state.

    >>> SignSGD(lr=0.5).update(np.array([3.0, 0.0]), [], np.zeros(2), step=0)[0].tolist()
    [-0.5, 0.0]
    """

    lr: float | Schedule = 1e-3
    steps_by_lr = True

    def __post_init__(self):
        check_rate("lr", self.lr)

    @property
    def settings(self) -> tuple[float, ...]:
        """Return {lr}, as C reads it."""
        return (start_of(self.lr),)

    def transform(self, gradient, state, theta):
        """Return lr times the sign of each element; 0 stays 0."""
        lr = theta.dtype.type(start_of(self.lr))
        zero = theta.dtype.type(0)
        return np.where(gradient > 0, lr, np.where(gradient < 0, -lr, zero)), state

    def largest(self, size, limit, n_record):
        """Return lr, or the gradient's size."""
        return max(size, start_of(self.lr))


ROW = SignSGD.row = UpdateRow("sign_sgd", SignSGD, number=2, c="bpfree_upd_sign_sgd")
