# SPDX-License-Identifier: MIT
"""Normalize: g <- fl(g / s), s the deviation of the step's differences of losses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bpfree.arithmetic import running_sum
from bpfree.errors import check_finite
from bpfree.updates.table import Update, UpdateRow


@dataclass(frozen=True)
class Normalize(Update):
    """A link that divides g by how much the losses of a step differ: one float of state, where Adam has 2 d + 2.

    chain(Normalize(), SGD(lr)) is normalised SGD: theta <- theta - lr g / s,

    s = max(std, floor rms) of the step's difference quotients D = (L+ - L-) / (2 mu), or (L+ - L) / mu

    with std = sqrt(mean((D - mean(D))^2)) over all n of them, of every group, and
    rms = sqrt(mean(D^2)); D_i is a coefficient times the number of directions
    whose mean g is (RGE: n_queries; CGE: 1). Where every D is 0, s is 1; else s is at
    least floor rms, so nothing is ever divided by 0, and with one query the step is
    lr / floor times a direction. floor: in (0, 1]; 1 divides by the rms.

    D varies from direction to direction as |grad L| does, so g / s is about the
    gradient divided by its own length, plus noise: lr need not follow the scale of
    the loss, and the step does not shrink as the gradient does. Coefficients are cut first, where the
    chain has a clip. Of few queries the deviation says little: take 8 or more. For
    black-box estimators, as others take no differences, but not for Hybrid, whose
    coefficients are parts of different means; Trainer refuses those.

    From rewards, by their deviation: Mania, Guy and Recht, NeurIPS 2018
    (augmented random search); of language models' losses: Dang et al., FZOO, 2025.

    >>> import bpfree as bf
    >>> def slope(theta):
    ...     return 1000.0 * theta.sum()
    >>> normalised = bf.chain(bf.Normalize(), bf.SGD(0.1))
    >>> theta, history = bf.minimize(slope, np.zeros(4), estimator=bf.RGE(64), update=normalised, max_steps=1)
    >>> bool(0.05 < np.linalg.norm(theta) < 0.2)
    True
    """

    floor: float = 0.1
    n_scalars = 1
    sees_record = True

    def __post_init__(self):
        if not 0.0 < check_finite("floor", self.floor) <= 1.0:
            raise ValueError(f"floor: expected a number in (0, 1], got {self.floor!r}")

    @property
    def settings(self) -> tuple[float, ...]:
        """Return {floor}, as C reads it."""
        return (self.floor,)

    def check_estimator(self, estimator):
        """Raise unless coefficients are differences of losses, all of one mean."""
        if estimator.coefficients_are not in ("slopes", "partials", "scaled"):
            what = f"estimators whose coefficients are differences of losses, all of one kind, got {estimator.row.name}"
            raise ValueError(f"update: Normalize is for {what}: leave it out, or use Adam there")

    def look(self, state, step, record):
        """Return s of these coefficients; units of the largest keep squares from over- or underflow."""
        c = record.coefficients.reshape(-1)
        real, largest = c.dtype.type, np.abs(c).max()
        if largest == 0:
            return [np.ones(1, c.dtype)]
        n = real(c.size)
        shares = c / largest
        beside = shares - running_sum(shares) / n
        std = np.sqrt(running_sum(beside * beside) / n)
        least = real(self.floor) * np.sqrt(running_sum(shares * shares) / n)
        s = (largest * max(std, least)) * real(record.averaged)
        return [np.full(1, s if s > 0 else 1, c.dtype)]

    def transform(self, gradient, state, theta):
        """Return the gradient divided by s, and the state."""
        return gradient / state[0][0], state

    def largest(self, size, limit, n_record):
        """Return s, or the gradient over s, which is at least floor times the root mean square."""
        return max(size * n_record, 2.0 * n_record * math.sqrt(n_record) / self.floor)


ROW = Normalize.row = UpdateRow("normalize", Normalize, number=5, c="bpfree_upd_normalize")
