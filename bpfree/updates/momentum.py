# SPDX-License-Identifier: MIT
"""Momentum: v <- fl(fl(beta v) + g), g <- fl(lr v)."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.errors import check_share
from bpfree.schedules.table import Schedule, check_rate, start_of
from bpfree.updates.table import Update, UpdateRow


@dataclass(frozen=True)
class Momentum(Update):
    """Heavy-ball momentum (Polyak, 1964): v <- beta v + g, theta <- theta - lr v; one vector of state.

    >>> import numpy as np
    >>> theta, state = Momentum(lr=1.0, beta=0.5).update(np.ones(1), [np.ones(1)], np.zeros(1), step=0)
    >>> theta.tolist(), state[0].tolist()
    ([-1.5], [1.5])
    """

    lr: float | Schedule = 1e-2
    beta: float = 0.9
    n_vectors = 1

    def __post_init__(self):
        check_rate("lr", self.lr)
        check_share("beta", self.beta)

    @property
    def settings(self) -> tuple[float, ...]:
        """Return {lr, beta}, as C reads them."""
        return (start_of(self.lr), self.beta)

    def transform(self, gradient, state, theta):
        """Return lr times the velocity, which has taken in the gradient, and the velocity."""
        real = theta.dtype.type
        velocity = real(self.beta) * state[0] + gradient
        return real(start_of(self.lr)) * velocity, [velocity]

    def largest(self, size, limit, n_record):
        """Return lr times a bound of the velocity, limit + size / (1 - beta), twice for rounding."""
        return 2 * max(1.0, start_of(self.lr)) * (limit + size / (1 - min(self.beta, 1 - 2.0**-24)))


ROW = Momentum.row = UpdateRow("momentum", Momentum, number=1, c="bpfree_upd_momentum")
