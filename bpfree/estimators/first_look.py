# SPDX-License-Identifier: MIT
"""What the first evaluations say of a function - how noisy it is, how far a step may go - and the defaults of that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from bpfree.estimators.cge import CGE
from bpfree.estimators.lost import judge, tell_replies
from bpfree.estimators.rge import RGE
from bpfree.schedules.cosine_decay import cosine_decay
from bpfree.schedules.table import LONGEST
from bpfree.updates.adam import Adam

LENGTH = 0.1
"""How far each parameter goes in the first steps, unless the function says otherwise."""

SHORTER, LONGER = 0.5, 16.0
"""A step is at least and at most so many times the length that lowers the loss most at the start: that one goes
straight down, which is too short in a valley that bends."""

NEARER = 0.25
"""A probe goes so far in steps."""

LAST = 2.0**-10
"""Steps and probes end at this share of their first length."""

GRADIENTS = 50
"""So many gradients by coordinates the evaluations must allow, else random directions take their place."""

REPEATS, SIGNAL, LOOKED = 4, 8.0, 100
"""Evaluations at the start, from which noise is seen; how many deviations a difference must have; and the smallest
budget of which some are spent on looking."""

_DOUBLINGS = 24


@dataclass(frozen=True)
class FirstLook:
    """What the first evaluations of a function say; its str() is a few lines for people.

    loss: mean at theta0. noise: standard deviation of evaluations at one point. lr: how far each parameter goes in the
    first steps of Adam; length: the power of two times 0.1 that lowered the loss most along the first step, None where
    none did, or nothing was tried. slope: root mean square of the elements of the first gradient. estimator, update:
    ready for `minimize` and `start`. evaluations: what was spent.
    """

    loss: float
    noise: float
    lr: float
    length: float | None
    slope: float
    estimator: object
    update: object
    evaluations: int

    def __str__(self) -> str:
        most = "no length lowered the loss" if self.length is None else f"{self.length:g} lowers the loss most"
        return "\n".join(
            [
                f"loss {self.loss:.6g} with noise {self.noise:.2g}, from {self.evaluations:,} evaluations",
                f"first steps {self.lr:g} a parameter; along the first one {most}",
                f"estimator {self.estimator}",
                f"update {self.update}",
            ]
        )


def first_look(measure, theta0, estimator, seed: int, max_steps, max_evaluations) -> FirstLook:
    """Look at a function (`Measure`) around theta0, and choose an update, and an estimator where None is given."""
    began, least = measure.calls, max_evaluations is None or max_evaluations >= LOOKED
    values = [measure.mean(theta0) for _ in range(REPEATS if least else 1)]
    seen = [value for value in values if isfinite(value)]
    loss, noise = (float(np.mean(seen)), float(np.std(seen))) if seen else (float("nan"), 0.0)
    own = estimator is None
    if own:
        estimator = default_estimator(np.size(theta0), max_evaluations)
    length, slope, most = None, 0.0, max_evaluations and max_evaluations / 8
    if least:
        estimator, gradient = _gradient(measure, theta0, estimator, seed, noise if own else 0.0, most)
        slope = float(np.sqrt(np.mean(gradient**2)))
        if isfinite(slope) and slope > 0 and isfinite(loss):
            length = best_length(lambda t: measure.mean(theta0 - t * np.sign(gradient)), loss, 3 * noise)
    lr = LENGTH if length is None else float(np.clip(LENGTH, SHORTER * length, LONGER * length))
    spent = measure.calls - began
    steps = max_steps
    if max_evaluations is not None:
        allowed = int((max_evaluations - spent) // estimator.start(theta0).n_probes)
        steps = allowed if steps is None else min(steps, allowed)
    steps = min(max(1, steps), LONGEST)
    if own and noise > 0:
        estimator = replace(estimator, mu=max(estimator.mu, NEARER * lr))
    elif own:
        estimator = replace(estimator, mu=falling(NEARER * lr, steps))
    update = Adam(falling(lr, steps), beta2=0.99, epsilon=1e-20)
    return FirstLook(loss, noise, lr, length, slope, estimator, update, spent)


def falling(start: float, steps: int):
    """From start along half a cosine to its 1,024th."""
    return cosine_decay(start, steps, end=LAST * start)


def default_estimator(n_theta: int, max_evaluations: float | None):
    """Coordinates where the evaluations allow 50 gradients by them, or they are no dearer; else random directions."""
    queries = 16 if max_evaluations is None else int(np.clip(max_evaluations // 1000, 4, 16))
    if n_theta <= queries or (max_evaluations is not None and 2 * n_theta * GRADIENTS <= max_evaluations):
        return CGE(mu=NEARER * LENGTH)
    return RGE(n_queries=queries, mu=NEARER * LENGTH)


def _gradient(measure, theta0, estimator, seed, noise, most):
    """(estimator, gradient) of the first step, with mu doubled until its differences stand out of the noise."""
    began = measure.calls
    for _ in range(_DOUBLINGS):
        ask = estimator.start(theta0, seed=seed)
        values = measure.step(ask)
        estimate = tell_replies(estimator, ask.graph, seed, 0, values)
        cost = ask.n_probes
        if not noise or _difference(estimator, values) >= SIGNAL * noise:
            break
        if most is not None and measure.calls - began + cost > most:
            break
        estimator = replace(estimator, mu=2 * estimator.mu)
    gradient = estimator.gradient(ask.graph, seed, 0, estimate.coefficients.astype(np.float64))
    return estimator, gradient.reshape(ask.shape)


def _difference(estimator, values) -> float:
    """The median of |L+ - L-| over the pairs that came; infinite where none did."""
    kept, means = judge(estimator, values).kept, values.mean(axis=1)
    differences = means[0::2] - means[1::2] if estimator.two_sided else means[1:] - means[0]
    return float(np.median(np.abs(differences[kept]))) if kept.any() else float("inf")


def best_length(at, loss: float, noise: float) -> float | None:
    """Of 0.1 times powers of two the length t whose loss at(t) is lowest, None where none is lower by the noise.

    From 0.1 on lengths are doubled as long as the loss falls, or does not change; where 0.1 raises it they are halved.
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
