# SPDX-License-Identifier: MIT
"""Adam, with its beta powers as running products in the state."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_normal, check_share
from bpfree.schedules.table import Schedule, check_rate, start_of
from bpfree.updates.table import Update, UpdateRow


@dataclass(frozen=True)
class Adam(Update):
    """Adam (Kingma and Ba, ICLR 2015); two vectors and two scalars of state.

    m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,
    theta <- theta - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)

    >>> adam = Adam(lr=0.5)
    >>> theta, state = adam.update(np.array([3.0]), adam.init(np.zeros(1)), np.zeros(1), step=0)
    >>> theta.round(6).tolist()
    [-0.5]
    """

    lr: float | Schedule = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    n_vectors = 2
    n_scalars = 2
    steps_by_lr = True

    def __post_init__(self):
        check_rate("lr", self.lr)
        check_share("beta1", self.beta1)
        check_share("beta2", self.beta2)
        check_normal("epsilon", self.epsilon)

    @property
    def settings(self) -> tuple[float, ...]:
        """Return {lr, beta1, 1 - beta1, beta2, 1 - beta2, epsilon}; the differences are taken in float32."""
        return tuple(float(value) for value in self._constants(np.float32))

    def _constants(self, real):
        one, beta1, beta2 = real(1), real(self.beta1), real(self.beta2)
        return real(start_of(self.lr)), beta1, one - beta1, beta2, one - beta2, real(self.epsilon)

    def transform(self, gradient, state, theta):
        """Return lr m_hat / (sqrt(v_hat) + epsilon) and the state, by C's operations in C's order."""
        real = theta.dtype.type
        lr, beta1, rest1, beta2, rest2, epsilon = self._constants(real)
        powers = state[2] * np.array([beta1, beta2], theta.dtype)
        m = beta1 * state[0] + rest1 * gradient
        v = beta2 * state[1] + rest2 * (gradient * gradient)
        unbias1, unbias2 = real(1) - powers
        step = lr * (m / unbias1) / (np.sqrt(v / unbias2) + epsilon)
        return step, [m, v, powers]

    def largest(self, size, limit, n_record):
        """Return lr times a mean of gradients over epsilon; infinity where a gradient's square would overflow."""
        m, rest = max(size, limit), 1 - min(self.beta1, 1 - 2.0**-24)
        return math.inf if m > 2.0**60 else start_of(self.lr) * 2 * m / (rest * self.epsilon)


ROW = Adam.row = UpdateRow("adam", Adam, number=3, c="bpfree_upd_adam")
