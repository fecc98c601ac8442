# SPDX-License-Identifier: MIT
"""When a run has diverged: one rule for training and for minimising a function, by step means and theta alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bpfree.estimators.step import Outcome, standstill

DIVERGED_STEPS = 10
"""Steps in a row above the bound after which a run has diverged."""

_SCALES = 100.0
"""Scales of the loss, or of theta, that a run in order does not go beyond."""


@dataclass
class Course:
    """The course that the losses of a run have taken, step by step, in few numbers.

    scale: the largest |theta| at the start. first: mean loss of the first step that was made; bound: what means stay
    below (`loss_bound`); recent: means of the last ten steps that were made.
    """

    scale: float
    first: float = math.nan
    bound: float = math.inf
    recent: list = field(default_factory=list)

    def stepped(self, losses, mean: float) -> None:
        """Take in the losses of a step that was made, of any shape, and their mean."""
        if not self.recent:
            self.first, self.bound = mean, loss_bound(losses)
        self.recent = [*self.recent, mean][-DIVERGED_STEPS:]

    @property
    def exploded(self) -> bool:
        """True where the mean loss of the last step is above the bound."""
        return bool(self.recent) and self.recent[-1] > self.bound

    def risen(self, made: int, quiet: int) -> bool:
        """True where the last mean is above the first, and one of the steps made has moved theta."""
        return bool(self.recent) and quiet < made and self.recent[-1] > self.first

    def theta_exploded(self, theta) -> bool:
        """True where theta is far larger than at the start."""
        return has_exploded(theta, self.scale)

    def failure(self, step: int, made: int, quiet: int, theta, advice: str) -> Outcome | None:
        """Why the run ends: it has diverged, or no probe changes the loss any more; None where it goes on.

        step: number of the step to come; made: steps made; quiet: the last of them in a row in which no probe changed
        the loss. theta: the parameters now. advice: what to try after a divergence.
        """
        still = standstill(step, quiet)
        risen = still and self.risen(made, quiet)
        if above_bound(self.recent, self.bound):
            return divergence(step - 1, (self.first, self.recent[-1]), advice)
        if risen and self.theta_exploded(theta):
            return self.stands_far_away(step, theta, advice)
        if risen:  # a step too large may have left every ReLU off
            ways = f"or a smaller lr, as the loss has risen, {self.first:.4g} -> {self.recent[-1]:.4g}"
            return Outcome(still.code, f"{still.text}; {ways}")
        return still

    def stands_far_away(self, step: int, theta, advice: str) -> Outcome:
        """What is said of a run that diverged before this step to where no probe changes the loss any more."""
        far = f"theta has exploded, its largest element is {np.abs(theta).max():.4g} after {self.scale:.4g}"
        return Outcome("diverged", f"step {step - 1}: {far}, and no probe changes the loss there: {advice}")


def loss_bound(first_losses) -> float:
    """L0 + 100 max(|L0|, spread), which the mean loss of a step exceeds only where a run diverges.

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
    """True where the means of the last 10 steps were all above the bound. losses: those of all steps, or the last."""
    return len(losses) >= DIVERGED_STEPS and all(loss > bound for loss in losses[-DIVERGED_STEPS:])


def has_exploded(theta, scale: float) -> bool:
    """True where the largest |element| of theta is above 100 times the scale, the largest at the start.

    A start at 0 says nothing of the scale of theta, and counts as 1.
    """
    return bool(np.abs(theta).max() > _SCALES * (scale or 1.0))


def divergence(step: int, losses, advice: str) -> Outcome:
    """What is said of a run that diverged, of which `step` was the last. losses: step means, first and last."""
    told = f"step {step}: the loss has exploded, {losses[0]:.4g} -> {losses[-1]:.4g}: {advice}"
    return Outcome("diverged", told)
