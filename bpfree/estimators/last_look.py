# SPDX-License-Identifier: MIT
"""What minimize gives back: the start, the theta of the lowest step mean, or the last one, by a last look at them."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan

import numpy as np

from bpfree.estimators.standing import LowestMean

MOST_REPEATS, SHARE, SURE = 16, 100, 2.0
"""Where there is noise a theta is evaluated at most so often at the end, by at most one part in so many of all
evaluations; and by how many deviations an earlier theta must be lower to be taken."""


def repeats(noise: float, max_evaluations: float | None) -> int:
    """How often a theta is evaluated at the end: once where there is no noise."""
    if not noise:
        return 1
    return MOST_REPEATS if max_evaluations is None else int(np.clip(max_evaluations // SHARE, 1, MOST_REPEATS))


def kept_for_the_end(noise: float, max_evaluations: float | None) -> int:
    """Evaluations kept for the last look: at the theta of the lowest step mean, and at the last one."""
    return 2 * repeats(noise, max_evaluations)


@dataclass
class _Seen:
    """A theta, how many steps had been made then, and the losses that were measured at it."""

    step: int
    theta: np.ndarray
    losses: list

    @property
    def mean(self) -> float:
        return float(np.mean(self.losses))

    def look(self, measure, times: int) -> None:
        """Evaluate it so often; replies that were lost are left out."""
        values = [measure.mean(self.theta) for _ in range(times)]
        self.losses += [value for value in values if not isnan(value)]


def last_look(measure, history, theta0, start: list, noise: float | None, max_evaluations: float | None) -> LowestMean:
    """The lowest of the start, the theta of the lowest step mean, and the last one; an earlier one only by more than
    the noise allows.

    start: losses measured there. noise: what the first look saw; None where there was none: then what is not the last
    theta is taken only when that one, evaluated again, gives the same loss, or the evaluations left do not allow it.
    """
    seen = [_Seen(0, theta0, [loss for loss in start if not isnan(loss)])]
    if history.best is not None:
        seen += _others(measure, history, theta0, repeats(noise or 0.0, max_evaluations))
    seen = [one for one in seen if one.losses]
    if not seen:
        return LowestMean(0, history.start, theta0)
    found, deviation = min(seen, key=lambda one: one.mean), noise or 0.0
    if noise is None and found is not seen[-1]:
        deviation = _deviation_after_all(measure, seen, inf if max_evaluations is None else max_evaluations)
    if deviation:
        found = _latest(seen, _pooled(seen))
    return LowestMean(found.step, found.mean, found.theta)


def _others(measure, history, theta0, times: int) -> list:
    """The best theta of the run and the last one, where they are others, evaluated.

    Where the replies of the first are lost, the mean of its step stands for it.
    """
    best, others = history.best, []
    for step, theta in ((best.step, best.theta), (history.steps, history.theta)):
        if not any(np.array_equal(theta, other) for other in (theta0, *(one.theta for one in others))):
            others.append(_Seen(step, theta, []))
            others[-1].look(measure, times)
            if step == best.step and not others[-1].losses:
                others[-1].losses = [best.loss]
    return others


def _deviation_after_all(measure, seen: list, most: float) -> float:
    """Evaluate the last theta again; where its loss is another one, all of them as often as the budget allows."""
    if measure.calls + 1 > most:
        return 0.0
    seen[-1].look(measure, 1)
    losses = seen[-1].losses
    if min(losses) == max(losses):
        return 0.0
    for one in seen:
        one.look(measure, int(min((most - measure.calls) / len(seen), MOST_REPEATS - len(one.losses))))
    return float(np.std(losses, ddof=1))


def _pooled(seen: list) -> float:
    """Standard deviation of an evaluation, by all that were repeated."""
    finite = [[loss for loss in one.losses if np.isfinite(loss)] for one in seen]
    squares = sum(len(losses) * np.var(losses) for losses in finite if losses)
    return float(np.sqrt(squares / max(1, sum(len(losses) - 1 for losses in finite if losses))))


def _latest(seen: list, deviation: float) -> _Seen:
    """The last one, unless an earlier one is lower by more than the noise of both means."""
    found = seen[-1]
    for one in reversed(seen[:-1]):
        if one.mean < found.mean - SURE * deviation * np.sqrt(1 / len(one.losses) + 1 / len(found.losses)):
            found = one
    return found
