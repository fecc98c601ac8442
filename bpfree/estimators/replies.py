# SPDX-License-Identifier: MIT
"""Losses as they come from elsewhere: real numbers, or refused with the name of the argument."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_unmasked


def real_numbers(name: str, given, expected: str, advice: str = "") -> np.ndarray:
    """given as an array of float32 or float64; raises TypeError where it is anything but unmasked real numbers."""
    try:
        array = np.asarray(check_unmasked(name, given))
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected {expected}, got {array.dtype} {array.shape}{advice}")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def as_losses(values, n_probes: int) -> np.ndarray:
    """What `tell` is given, as (n_probes, samples); raises where it is something else."""
    advice = " (one length a row; for a reply that was lost put NaN, or measure it again)"
    array = real_numbers("values", values, "real numbers", advice)
    if array.ndim not in (1, 2) or len(array) != n_probes or array.size == 0:
        raise ValueError(f"values: expected shape ({n_probes},) or ({n_probes}, samples), got {array.shape}")
    return array.reshape(n_probes, -1)


class Measure:
    """A function of theta to be minimised, its replies checked and counted.

    calls: how often it was called; lost: how many replies were not finite. samples: how many losses it gives; None
    as long as that is not known.
    """

    def __init__(self, loss_fn):
        if not callable(loss_fn):
            raise TypeError(f"loss_fn: expected a function of theta, got {loss_fn!r}")
        self._loss_fn, self.calls, self.lost, self.samples = loss_fn, 0, 0, None

    def __call__(self, theta) -> np.ndarray:
        """Losses (samples,) at theta, a copy of which the function gets; (1,) of a reply that was lost."""
        self.calls += 1
        expected = "a real number or (samples,) of them"
        array = real_numbers("loss_fn", self._loss_fn(np.array(theta)), expected)
        if array.ndim > 1 or array.size == 0:
            raise TypeError(f"loss_fn: expected {expected}, got {array.dtype} {array.shape}")
        self.lost += not np.isfinite(array).all()
        if array.ndim == 0 and not np.isfinite(array):
            return array.reshape(1)
        if self.samples not in (None, array.size):
            expected = f"losses of the same {self.samples} samples at every call, or NaN for a reply that was lost"
            raise ValueError(f"loss_fn: expected {expected}, got {array.size}")
        self.samples = array.size
        return array.reshape(-1)

    def mean(self, theta) -> float:
        """The mean loss at theta, which may be infinite or NaN."""
        return float(self(theta).mean())

    def step(self, ask) -> np.ndarray:
        """Losses (n_probes, samples) at the points that an `AskTell` asks for."""
        rows = [self(ask.point(k)) for k in range(ask.n_probes)]
        return np.stack([np.broadcast_to(row, (self.samples or 1,)) for row in rows])
