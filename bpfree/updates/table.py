# SPDX-License-Identifier: MIT
"""What an update is: links that turn a gradient into the step theta is moved back by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.registry import HostOnly
from bpfree.schedules.table import Schedule


class Update:
    """One link, and the update made of it alone: theta <- theta - transform(g).

    Pure: init(theta) -> state, update(gradient, state, theta, step) -> (theta,
    state), arguments left alone. State is a flat list of arrays: n_vectors like
    theta, which start at 0, then one of n_scalars, which start at 1.
    `settings` are the floats the C side reads.
    """

    n_vectors = 0
    n_scalars = 0
    clip = 0.0
    """Coefficients are cut to [-clip, clip] before the gradient is made; 0: they are not."""

    settings: tuple[float, ...] = ()
    lr: float | Schedule = 1.0
    """Learning rate, where a link has one."""

    @property
    def schedule(self) -> Schedule | None:
        """What the whole step is multiplied by; None: nothing."""
        return self.lr if isinstance(self.lr, Schedule) else None

    @property
    def links(self) -> tuple:
        """The links in order."""
        return (self,)

    def cut(self, coefficients) -> np.ndarray:
        """Coefficients within [-clip, clip], as the gradient is made of them."""
        limit = coefficients.dtype.type(self.clip)
        return np.clip(coefficients, -limit, limit) if self.clip else coefficients

    def init(self, theta) -> list:
        """State before the first step."""
        state = []
        for link in self.links:
            state += [np.zeros_like(theta) for _ in range(link.n_vectors)]
            state += [np.ones(link.n_scalars, theta.dtype)] * (link.n_scalars > 0)
        return state

    def update(self, gradient, state, theta, step):
        """The next theta, in theta's precision, and state."""
        after, first = [], 0
        for link in self.links:
            stop = first + link.n_vectors + (link.n_scalars > 0)
            gradient, moved = link.transform(gradient, state[first:stop], theta)
            after += moved
            first = stop
        if self.schedule:
            gradient = gradient.dtype.type(self.schedule.factor(step)) * gradient
        return theta - gradient, after

    def transform(self, gradient, state, theta):
        """This link alone: gradient and state after it."""
        raise TypeError(f"{type(self).__name__} is a chain of links, not a link")


@dataclass(frozen=True)
class UpdateRow:
    """One row of the table: settings class (an Update) and C symbol."""

    number: int
    name: str
    c: str | HostOnly
    settings: type
