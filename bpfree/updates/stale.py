# SPDX-License-Identifier: MIT
"""Stale: partial derivatives are remembered, and those that a step does not probe are used again."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.errors import check_normal, check_share_of_all
from bpfree.updates.table import Update, UpdateRow


@dataclass(frozen=True)
class Stale(Update):
    """A link that hands on the last known partial derivative of every coordinate; one vector of state.

    v_k <- g_k where the step probes coordinate k, whatever it is, 0 too;
    v_k <- decay v_k elsewhere;   g <- v

    So a step moves all parameters, not only those it probes: a partial derivative
    that was measured s steps ago counts decay^s. v starts at 0. decay: in (0, 1]; 1 never
    forgets. Coefficients are cut first, where the chain has a clip.

    For CGE with a fraction less than 1 and without `rescale`; with order="cyclic"
    nothing is older than two cycles. Trainer refuses other estimators. As what is
    remembered is used once a step until it is measured anew, lr must be about
    `fraction` times that without Stale. The first link of a chain, behind clip alone.
    On the digits it was no better than going without: measure before you give it d floats.

    Delayed partial derivatives in general: Bertsekas and Tsitsiklis, Parallel and
    Distributed Computation, 1989, chapter 7; kept in a table and summed up, one fresh
    a step: Blatt, Hero and Gauchman, SIAM J. Optim. 2007 (of samples, there).

    >>> import numpy as np
    >>> import bpfree as bf
    >>> def slope(theta):
    ...     return (np.array([1.0, 2.0]) * theta).sum()
    >>> stale = bf.chain(bf.Stale(), bf.SGD(1.0))
    >>> ask = bf.CGE(0.5, order="cyclic").start(np.zeros(2), update=stale, max_steps=3)
    >>> for points in ask:
    ...     estimate = ask.tell([slope(point) for point in points])
    ...     print(ask.theta.round(6).tolist())
    [0.0, -2.0]
    [-1.0, -4.0]
    [-2.0, -6.0]
    """

    decay: float = 1.0
    n_vectors = 1
    sees_record = True
    comes_first = True

    def __post_init__(self):
        check_normal("decay", check_share_of_all("decay", self.decay))

    @property
    def settings(self) -> tuple[float, ...]:
        """Return {decay}, as C reads it."""
        return (self.decay,)

    def check_estimator(self, estimator):
        """Raise unless coefficients are partial derivatives, one a coordinate."""
        if estimator.coefficients_are == "scaled":
            expected = "rescale=False with Stale, which takes coefficients for partial derivatives"
            raise ValueError(f"rescale: expected {expected}, got rescale=True")
        if estimator.coefficients_are != "partials":
            what = f"CGE, whose coefficients are partial derivatives, got {estimator.row.name}"
            raise ValueError(f"update: Stale is for {what}: leave it out there")

    def look(self, state, step, record):
        """Return the known derivatives; those that this step has measured take the place of older ones."""
        known, elements = state[0].copy(), record.coordinates(step)
        known[elements] = record.coefficients[0, : len(elements)]
        return [known]

    def transform(self, gradient, state, theta):
        """Return all known derivatives, and the same times decay for the next step."""
        return state[0], [theta.dtype.type(self.decay) * state[0]]

    def largest(self, size, limit, n_record):
        """Return the size of what is remembered: once it was a coefficient."""
        return max(size, limit)


ROW = Stale.row = UpdateRow("stale", Stale, number=7, c="bpfree_upd_stale")
