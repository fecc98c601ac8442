# SPDX-License-Identifier: MIT
"""Mean absolute error: L = (1 / outputs) sum_o |y_o - t_o|."""

from __future__ import annotations

import numpy as np

from bpfree.losses.table import Loss


def values(arithmetic, y, targets):
    """(n,) from y and targets (outputs, n); one multiply by fl(1 / outputs) at the end."""
    return arithmetic.sum(np.abs(y - targets), axis=0) * _share(y)


def gradient(arithmetic, y, targets):
    """sign(y - t) / outputs, sign(0) = 0."""
    return np.sign(y - targets) * _share(y)


def change(arithmetic, y, targets, columns, s):
    """sum_o |y_o + s w_o - t_o| - |y_o - t_o|, over outputs."""
    moves = y.dtype.type(s) * columns[:, :, None] + np.zeros_like(y)[:, None]
    return differences(arithmetic, y, targets)(moves)


def differences(arithmetic, y, targets):
    """With error e and move d: d or -d where e + d is on e's side, else 2 e + d or -(2 e + d). Nothing cancels."""
    error = (y - targets)[:, None]

    def of(moves):
        below = (error < 0) | ((error == 0) & (moves < 0))
        across = np.where(below, error + moves > 0, error + moves < 0)
        each = np.where(across, (error + error) + moves, moves)
        return arithmetic.sum(np.where(below == across, each, -each), axis=0) * _share(y)

    return of


def _share(y):
    return y.dtype.type(1) / y.dtype.type(len(y))


LOSS = Loss(
    "mae",
    values,
    number=2,
    c="bpfree_loss_mae",
    labels=False,
    gradient=gradient,
    change=change,
    differences=differences,
    closed="bpfree_closed_mae",
)
