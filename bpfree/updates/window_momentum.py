# SPDX-License-Identifier: MIT
"""Momentum without a vector: past gradients are rebuilt from the records of the last steps."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.errors import check_count, check_share
from bpfree.schedules.table import Schedule, check_rate, start_of
from bpfree.updates.table import Update, UpdateRow


@dataclass(frozen=True)
class WindowMomentum(Update):
    """Heavy-ball momentum whose velocity is never stored: theta <- theta - lr v, with

    v_t = sum_{k < window} beta^k g_{t-k}

    Directions are functions of (seed, step, query), so a gradient of an earlier
    step is rebuilt from the coefficients of that step. The state is the last
    `window` records, window x groups x n_queries floats, in the place of
    Momentum's d; the price is that directions are drawn `window` times a step,
    which costs no loss evaluations. Up to step `window` it is Momentum, bit for
    bit; from then on what is older than the window is left out, beta^window of v.

    For estimators that leave a short record of a step, such as RGE; Trainer
    refuses others. The first link of a chain, behind clip alone.

    >>> import bpfree as bf
    >>> model = bf.Sequential(64, [bf.Linear(10)])
    >>> for update in (bf.Momentum(0.1), bf.WindowMomentum(0.1, window=16)):
    ...     trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(4), update, batch_size=1)
    ...     print(trainer.n_state)
    650
    64
    """

    lr: float | Schedule = 1e-2
    beta: float = 0.9
    window: int = 16
    sees_record = True
    comes_first = True

    def __post_init__(self):
        check_rate("lr", self.lr)
        check_share("beta", self.beta)
        check_count("window", self.window, 1, 4096)

    @property
    def settings(self) -> tuple[float, ...]:
        """Return {lr, beta, window}, as C reads them."""
        return (start_of(self.lr), self.beta, float(self.window))

    def check_estimator(self, estimator):
        """Raise unless the estimator's records are short enough to be kept."""
        if estimator.row.journal != "SCALARS":
            what = f"estimators that leave a short record of a step, such as RGE, got {estimator.row.name}"
            raise ValueError(f"update: WindowMomentum is for {what}: use Momentum there")

    def gather(self, gradient, rows, step, record):
        """Return v by Horner's rule, v <- fl(fl(beta v) + g) from the oldest step on; step t is in row t mod window."""
        rows = rows.reshape(self.window, -1).copy()
        rows[step % self.window] = record.coefficients.reshape(-1)
        beta, velocity = gradient.dtype.type(self.beta), None
        for past in range(max(0, step - self.window + 1), step):
            g = record.gradient(past, rows[past % self.window].reshape(record.coefficients.shape))
            velocity = g if velocity is None else beta * velocity + g
        velocity = gradient if velocity is None else beta * velocity + gradient
        return velocity, [rows.reshape(-1)]

    def transform(self, gradient, state, theta):
        """Return fl(lr v)."""
        return theta.dtype.type(start_of(self.lr)) * gradient, state

    def largest(self, size, limit, n_record):
        """Return lr times the sum of as many gradients as the window is long."""
        return max(1.0, start_of(self.lr)) * self.window * max(size, limit)


ROW = WindowMomentum.row = UpdateRow("window_momentum", WindowMomentum, number=6, c="bpfree_upd_window_momentum")
