# SPDX-License-Identifier: MIT
"""Mean squared error: L = (1 / outputs) sum_o (y_o - t_o)^2."""

from __future__ import annotations

from bpfree.losses.table import Loss


def values(arithmetic, y, targets):
    """(n,) from y and targets (outputs, n); one multiply by fl(1 / outputs) at the end."""
    error = y - targets
    share = y.dtype.type(1) / y.dtype.type(y.shape[0])
    return arithmetic.sum(error * error, axis=0) * share


LOSS = Loss(1, "mse", "bpfree_loss_mse", values, labels=False)
