# SPDX-License-Identifier: MIT
"""When a run has diverged: one rule for training and for minimising a function, by step means and theta alone."""

from __future__ import annotations

import math

import numpy as np

from bpfree.estimators.step import Outcome

DIVERGED_STEPS = 10
"""Steps in a row above the bound after which a run has diverged."""

_SCALES = 100.0
"""Scales of the loss, or of theta, that a run in order does not go beyond."""


def loss_bound(first_losses) -> float:
    """L0 + 100 max(|L0|, spread), which the mean loss of a step exceeds only where a run gets lost.

    first_losses: all losses of the first step, of any shape; L0 is their mean, and the spread the largest less
    the smallest. What is not finite among them is left out. Infinite where they say nothing of the loss's scale:
    all are 0, or none is finite.
    """
    losses = np.asarray(first_losses)
    if not (finite := np.isfinite(losses)).all():
        losses = losses[finite]
    if not losses.any():
        return math.inf
    with np.errstate(over="ignore"):  # beyond the largest number there is no bound
        mean = float(losses.mean(dtype=np.float64))
        return mean + _SCALES * max(abs(mean), float(losses.max()) - float(losses.min()))


def above_bound(losses, bound: float) -> bool:
    """Were the means of the last 10 steps all above the bound? losses: those of all steps, or of the last ones."""
    return len(losses) >= DIVERGED_STEPS and all(loss > bound for loss in losses[-DIVERGED_STEPS:])


def has_exploded(theta, start) -> bool:
    """Is the largest element of theta, in size, more than 100 times the largest that there was at the start?

    A start at 0 says nothing of the scale of theta, and counts as 1.
    """
    return bool(np.abs(theta).max() > _SCALES * (np.abs(start).max() or 1.0))


def divergence(step: int, losses, advice: str) -> Outcome:
    """What is said of a run that diverged, of which `step` was the last. losses: step means, first and last."""
    told = f"step {step}: the loss has exploded, {losses[0]:.4g} -> {losses[-1]:.4g}: {advice}"
    return Outcome("diverged", told)
