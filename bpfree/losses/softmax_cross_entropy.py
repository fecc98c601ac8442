# SPDX-License-Identifier: MIT
"""Softmax cross-entropy: L = log sum_c exp(y_c - max) - (y_label - max)."""

from __future__ import annotations

import numpy as np

from bpfree.losses.table import Loss


def values(arithmetic, y, labels):
    """(n,) from scores y (classes, n) and labels (n,)."""
    shifted = y - y.max(axis=0)
    total = arithmetic.sum(arithmetic.exp(shifted), axis=0)
    return arithmetic.log(total) - shifted[labels, np.arange(y.shape[1])]


def probabilities(arithmetic, y):
    """softmax of scores y (classes, n), per sample."""
    weights = arithmetic.exp(y - y.max(axis=0))
    return weights / arithmetic.sum(weights, axis=0)


def gradient(arithmetic, y, labels):
    """p - e_label."""
    p = probabilities(arithmetic, y)
    p[labels, np.arange(y.shape[1])] -= y.dtype.type(1)
    return p


def change(arithmetic, y, labels, columns, s):
    """log(1 + sum_c p_c (exp(s w_c) - 1)) - s w_label.

    The exponentials are of the columns alone: one set serves the whole batch,
    and the sum over classes is a matrix product, and so is picking w_label.
    """
    moved = y.dtype.type(s) * columns
    total = arithmetic.contract(arithmetic.expm1(moved), probabilities(arithmetic, y)[None])[0]
    return arithmetic.log1p(total) - _of_label(arithmetic, moved, labels)


def _of_label(arithmetic, moved, labels):
    """moved[labels].T by a product with ones and zeros, which is exact, and 9x faster than turning it."""
    chosen = np.zeros((len(moved), len(labels)), moved.dtype)
    chosen[labels, np.arange(len(labels))] = 1
    return arithmetic.contract(moved, chosen[None])[0]


def differences(arithmetic, y, labels):
    """log(1 + sum_c p_c (exp(dy_c) - 1)) - dy_label; two losses where that sum is not finite or near -1."""
    p, samples, at_rest = probabilities(arithmetic, y), np.arange(y.shape[1]), values(arithmetic, y, labels)

    def of(moves):
        total = arithmetic.sum(p[:, None] * arithmetic.expm1(moves), axis=0)
        change = arithmetic.log1p(total) - moves[labels, :, samples].T
        far, column = np.nonzero(~(np.isfinite(total) & (total > y.dtype.type(-0.5))))
        if len(far):
            moved = np.ascontiguousarray(y[:, column] + moves[:, far, column])
            change[far, column] = values(arithmetic, moved, labels[column]) - at_rest[column]
        return change

    return of


LOSS = Loss(
    "softmax_cross_entropy",
    values,
    number=0,
    c="bpfree_loss_softmax_cross_entropy",
    labels=True,
    gradient=gradient,
    change=change,
    differences=differences,
    closed="bpfree_closed_softmax_cross_entropy",
)
