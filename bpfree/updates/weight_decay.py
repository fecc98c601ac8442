# SPDX-License-Identifier: MIT
"""Weight decay: g <- fl(g + fl(rate theta))."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.errors import check_normal
from bpfree.updates.table import Update, UpdateRow


@dataclass(frozen=True)
class WeightDecay(Update):
    """A link that pulls theta towards 0; no state.

    chain(WeightDecay(rate), SGD(lr)) is an L2 penalty; chain(Adam(lr),
    WeightDecay(lr * rate)) decays apart from the gradient (AdamW, Loshchilov
    and Hutter, ICLR 2019).

    >>> import bpfree as bf
    >>> import numpy as np
    >>> decayed = bf.chain(bf.WeightDecay(0.5), bf.SGD(1.0)).update(np.zeros(1), [], np.ones(1), step=0)
    >>> decayed[0].tolist()
    [0.5]
    """

    rate: float = 1e-4

    def __post_init__(self):
        check_normal("rate", self.rate)

    @property
    def settings(self) -> tuple[float, ...]:
        """Return {rate}, as C reads it."""
        return (self.rate,)

    def transform(self, gradient, state, theta):
        """Return fl(g + fl(rate theta))."""
        return gradient + theta.dtype.type(self.rate) * theta, state

    def largest(self, size, limit, n_record):
        """Return the gradient's size, or the limit, which theta starts below where one is found."""
        return max(size, limit)


ROW = WeightDecay.row = UpdateRow("weight_decay", WeightDecay, number=4, c="bpfree_upd_weight_decay")
