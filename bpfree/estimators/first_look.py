# SPDX-License-Identifier: MIT
"""What the first evaluations say of a function - how noisy it is, how far a step may go - and the defaults of that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, nan

import numpy as np

from bpfree.estimators.cge import CGE
from bpfree.estimators.first_advice import epsilon_of, first_advice
from bpfree.estimators.last_look import kept_for_the_end
from bpfree.estimators.lost import sort_replies, tell_replies
from bpfree.estimators.rge import RGE
from bpfree.estimators.step import steps_allowed
from bpfree.schedules.cosine_decay import cosine_decay
from bpfree.schedules.exponential_decay import exponential_decay
from bpfree.schedules.table import LONGEST
from bpfree.updates.adam import Adam

LENGTH = 0.2
"""How far each parameter goes in the first steps, unless the function says otherwise."""

SHORTER, LONGER = 0.5, 16.0
"""A step is at least and at most so many times the length that lowers the loss most at the start: that one goes
straight down, which is too short in a valley that bends."""

FARTHER = 4.0
"""A probe of one parameter goes so many steps far at first, which sees the slope of the whole and not of ripples."""

LAST_STEP, LAST_PROBE = 2.0**-10, 2.0**-14
"""Steps and probes end at this share of their first length."""

HALVINGS = 20
"""So often probes would be halved in a run, if they had not come to their last length before."""

GRADIENTS = 50
"""So many gradients by coordinates the evaluations must allow, else random directions take their place."""

REPEATS, SIGNAL, LOOKED = 4, 16.0, 100
"""Evaluations at the start, from which noise is seen; how many deviations a difference must have; and the smallest
budget of which some are spent on looking."""

_DOUBLINGS = 24


@dataclass(frozen=True)
class FirstLook:
    """What the first evaluations of a function say; its str() is a few lines for people.

    loss: mean at theta0. noise: standard deviation of evaluations at one point. lr: how far each parameter goes in the
    first steps of Adam; length: the power of two times 0.2 that lowered the loss most along the first step, None where
    none did, or nothing was tried. slope: root mean square of the elements of the first gradient. estimator, update:
    ready for `minimize` and `start`. evaluations: what was spent. losses: those measured at theta0. advice: what is
    likely to go wrong and what to do, empty where nothing stands out.

    >>> import bpfree as bf
    >>> look = bf.calibrate(lambda theta: 1e6 * float(((theta - 1) ** 2).sum()), np.zeros(20))
    >>> look.noise, look.lr, look.length, look.evaluations
    (0.0, 0.4, 0.8, 48)
    """

    loss: float
    noise: float
    lr: float
    length: float | None
    slope: float
    estimator: object
    update: object
    evaluations: int
    losses: tuple = ()
    advice: str = ""

    def __str__(self) -> str:
        most = "no length lowered the loss" if self.length is None else f"{self.length:g} lowers the loss most"
        return "\n".join(
            [
                f"loss {self.loss:.6g} with noise {self.noise:.2g}, from {self.evaluations:,} evaluations",
                f"first steps {self.lr:g} a parameter; along the first one {most}",
                f"estimator {self.estimator}",
                f"update {self.update}",
                *([f"advice: {self.advice}"] if self.advice else []),
            ]
        )


def first_look(measure, theta0, estimator, seed: int, max_steps, max_evaluations) -> FirstLook:
    """Look at a function (`Measure`) around theta0, and choose an update, and an estimator where None is given."""
    began, looks = measure.calls, max_evaluations is None or max_evaluations >= LOOKED
    values = [measure.mean(theta0) for _ in range(REPEATS if looks else 1)]
    seen = [value for value in values if isfinite(value)]
    loss, noise = (float(np.mean(seen)), float(np.std(seen, ddof=len(seen) > 1))) if seen else (nan, 0.0)
    own, chosen = estimator is None, estimator or default_estimator(np.size(theta0), max_evaluations)
    length, slope, floor, fence, line, advice = None, 0.0, 0.0, np.inf, None, ""
    if looks:
        most = None if max_evaluations is None else max_evaluations / 8
        found = _first_gradient(measure, theta0, chosen, seed, noise if own else None, most)
        chosen, gradient, floor, fence, told = found
        slope = float(np.sqrt(np.mean(gradient**2)))
        if isfinite(slope) and slope > 0 and isfinite(loss):
            line = _Line(measure, theta0, -np.sign(gradient))
            length = best_length(line, loss, 3 * noise)
            fence = min(fence, chosen.mu) if own and line.walled else fence
        advice = first_advice(chosen, told, loss, noise, slope, theta0.dtype)
    lr = LENGTH if length is None else float(np.clip(LENGTH, SHORTER * length, LONGER * length))
    lr = min(lr, LENGTH) if line and line.walled else lr
    spent = measure.calls - began
    left = max_evaluations and max_evaluations - spent - kept_for_the_end(noise, max_evaluations)
    steps = int(max(1, min(LONGEST, steps_allowed(chosen.start(theta0).n_probes, max_steps, left))))
    if own:
        reach = min(max(FARTHER * lr / _spread(chosen, np.size(theta0)), floor), fence)
        last = max(LAST_PROBE * reach, floor)
        chosen = replace(chosen, mu=exponential_decay(reach, 2.0 ** (-HALVINGS / steps), end=last))
    update = Adam(cosine_decay(lr, steps, end=LAST_STEP * lr), beta2=0.99, epsilon=epsilon_of(slope, theta0.dtype))
    return FirstLook(loss, noise, lr, length, slope, chosen, update, spent, tuple(values), advice)


def _spread(estimator, n_theta: int) -> float:
    """How many times as far as in one parameter a probe goes."""
    return 1.0 if isinstance(estimator, CGE) else n_theta**0.5


def default_estimator(n_theta: int, max_evaluations: float | None):
    """Coordinates where the evaluations allow 50 gradients by them, or they are no dearer; else random directions."""
    queries = 16 if max_evaluations is None else int(np.clip(max_evaluations // 1000, 4, 16))
    if n_theta <= queries or (max_evaluations is not None and 2 * n_theta * GRADIENTS <= max_evaluations):
        return CGE(mu=FARTHER * LENGTH)
    return RGE(n_queries=queries, mu=FARTHER * LENGTH / n_theta**0.5)


def _first_gradient(measure, theta0, estimator, seed, noise, most):
    """(estimator, gradient, floor, fence, losses) of probes at which the function can be seen.

    Where noise is given, None for estimators that were chosen by the user: mu is a quarter until both sides of every
    probe are finite, and is then the fence of later ones; losses that are NaN count as lost by accident where they are
    less than half, infinite ones never do. Else it is doubled until differences stand out of the noise; the floor is
    where they do.
    """
    began, floor, fence = measure.calls, 0.0, np.inf
    for _ in range(_DOUBLINGS):
        ask = estimator.start(theta0, seed=seed)
        values = measure.step(ask)
        ends = most is not None and measure.calls - began + ask.n_probes > most
        if noise is None or ends:
            break
        if np.isinf(values).any() or 2 * np.isnan(values).any(axis=1).sum() >= len(values):
            fence = estimator.mu / FARTHER
            estimator = replace(estimator, mu=fence)
            continue
        if not noise or fence < np.inf:
            break
        floor = estimator.mu * SIGNAL * noise / (_difference(estimator, values) or SIGNAL * noise / _DOUBLINGS)
        if floor <= estimator.mu:
            break
        estimator = replace(estimator, mu=2 * estimator.mu)
    estimate = tell_replies(estimator, ask.graph, seed, 0, values)
    gradient = estimator.gradient(ask.graph, seed, 0, estimate.coefficients.astype(np.float64))
    return estimator, gradient.reshape(ask.shape), floor, fence, values


def _difference(estimator, values) -> float:
    """The median of |L+ - L-| over the pairs that came; infinite where none did."""
    kept, means = sort_replies(estimator, values).kept, values.mean(axis=1)
    differences = means[0::2] - means[1::2] if estimator.two_sided else means[1:] - means[0]
    return float(np.median(np.abs(differences[kept]))) if kept.any() else float("inf")


class _Line:
    """The loss along a direction; walled: whether it was infinite, or NaN twice, somewhere."""

    def __init__(self, measure, theta0, direction):
        self._measure, self._theta0, self._direction, self.walled = measure, theta0, direction, False

    def __call__(self, t: float) -> float:
        theta = self._theta0 + t * self._direction
        value = self._measure.mean(theta)
        value = self._measure.mean(theta) if np.isnan(value) else value
        self.walled |= not isfinite(value)
        return value


def best_length(at, loss: float, noise: float) -> float | None:
    """Of 0.2 times powers of two the length t whose loss at(t) is lowest, None where none is lower by the noise.

    From 0.2 on lengths are doubled as long as the loss falls, or does not change; where 0.2 raises it they are halved.
    """

    def change(t):
        value = at(t) - loss
        return value if isfinite(value) else float("inf")

    length, best = LENGTH, change(LENGTH)
    factor = 0.5 if best > noise else 2.0
    for k in range(1, _DOUBLINGS):
        t = LENGTH * factor**k
        found = change(t)
        if found < best:
            length, best = t, found
        elif best < -noise or (factor > 1 and found > noise):
            break
    return length if best < -noise else None
