# SPDX-License-Identifier: MIT
"""Mean squared error: L = (1 / outputs) sum_o (y_o - t_o)^2."""

from __future__ import annotations

from bpfree.losses.table import Loss


def values(arithmetic, y, targets):
    """(n,) from y and targets (outputs, n); one multiply by fl(1 / outputs) at the end."""
    error = y - targets
    share = y.dtype.type(1) / y.dtype.type(y.shape[0])
    return arithmetic.sum(error * error, axis=0) * share


def gradient(arithmetic, y, targets):
    """2 (y - t) / outputs."""
    error = y - targets
    return (error + error) * (y.dtype.type(1) / y.dtype.type(y.shape[0]))


def change(arithmetic, y, targets, columns, s):
    """(2 s w.(y - t) + s^2 w.w) / outputs: exact, and the last term falls out of a two-sided difference."""
    s, share = y.dtype.type(s), y.dtype.type(1) / y.dtype.type(y.shape[0])
    along = arithmetic.contract(columns, (y - targets)[None])[0]
    own = arithmetic.sum(columns * columns, axis=0)[:, None]
    return (s * (along + along) + (s * s) * own) * share


def differences(arithmetic, y, targets):
    """sum_o dy_o (2 (y_o - t_o) + dy_o) / outputs: nothing cancels."""
    error, share = y - targets, y.dtype.type(1) / y.dtype.type(y.shape[0])
    twice = (error + error)[:, None]
    return lambda moves: arithmetic.sum(moves * (twice + moves), axis=0) * share


LOSS = Loss(
    "mse",
    values,
    number=1,
    c="bpfree_loss_mse",
    labels=False,
    gradient=gradient,
    change=change,
    differences=differences,
    closed="bpfree_closed_mse",
)
