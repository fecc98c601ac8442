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


LOSS = Loss(0, "softmax_cross_entropy", "bpfree_loss_softmax_cross_entropy", values, labels=True)
