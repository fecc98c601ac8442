# SPDX-License-Identifier: MIT
"""One step, wherever it is made: is the estimate finite, its record, the update, is all finite, what to advise."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import NamedTuple

import numpy as np

from bpfree.estimators.estimate import Estimate
from bpfree.updates import UPDATES
from bpfree.updates.sgd import SGD
from bpfree.updates.table import Record, Update

QUIET_STEPS = 10
"""Steps in a row without any difference of losses after which mu is below float resolution."""

MOST_SKIPPED = 10
"""Skipped steps in a row after which a run ends: a bad batch comes alone, divergence stays."""

SKIPPABLE = ("nonfinite_loss", "overflow")
"""Codes of steps that could not be made, and may be skipped."""

FAILURES = ("diverged", "mu_too_small", *SKIPPABLE)
"""Codes of numeric failures."""

_PART = 1 << 14
"""Coefficients of a record that are looked at before the next ones are."""


class Outcome(NamedTuple):
    """Why a run ends: a code, and the same for people, with advice."""

    code: str
    text: str


class Made(NamedTuple):
    """What became of a step.

    theta, state: after it, or as they were where it was not made. record: its coefficients in theta's precision,
    None where it was not made. quiet: steps in a row, up to this one, in which no probe changed the loss.
    failure: why it was not made, None where it was.
    """

    theta: np.ndarray
    state: list
    record: np.ndarray | None
    quiet: int
    failure: Outcome | None


def make_step(estimate: Estimate, apply, theta, state, step: int, quiet: int = 0) -> Made:
    """From an estimate to the next theta, by apply(theta, state, step, record) -> (theta, state)."""
    if not estimate.finite:
        return Made(theta, state, None, quiet, nonfinite(step))
    with np.errstate(over="ignore", under="ignore"):  # losses may be more precise than theta; infinite is a result
        record = estimate.coefficients.astype(theta.dtype, copy=False)
    moved, kept = apply(theta, state, step, record)
    if not all(np.isfinite(part).all() for part in (moved, *kept)):
        text = f"step {step}: the update overflows; it was not made: try a smaller lr, or clip"
        return Made(theta, state, None, quiet, Outcome("overflow", text))
    return Made(moved, kept, record, 0 if _any(record) else quiet + 1, None)


def nonfinite(step: int, what: str = "a loss is not finite", advice: str = "try a smaller lr or mu") -> Outcome:
    """A step whose estimate was not finite, and so was not made."""
    return Outcome("nonfinite_loss", f"step {step}: {what}; nothing was updated: {advice}")


def standstill(steps: int, quiet: int) -> Outcome | None:
    """Why a run ends in whose last `quiet` of so many steps no probe changed the loss; None where they are few."""
    if quiet < QUIET_STEPS:
        return None
    text = f"no probe changed the loss for {quiet} steps: try a larger mu, unless this is a minimum"
    return Outcome("mu_too_small", f"step {steps - 1}: {text}")


@np.errstate(over="ignore", invalid="ignore", under="ignore")  # an overflow is a result, looked for in theta and state
def apply_record(estimator, update, graph, seed: int, theta, state, step: int, record) -> tuple:
    """The next theta and state from the record of a step, in theta's precision."""

    def gradient(of_step, coefficients):
        return estimator.gradient(graph, seed, of_step, update.cut(coefficients))

    seen = None
    if update.sees_record:
        seen = Record(record, estimator.averaged, gradient, partial(estimator.coordinates, graph, seed))
    return update.update(gradient(step, record), state, theta, step, seen)


def steps_allowed(n_probes: int, max_steps, max_evaluations) -> float:
    """How many steps of so many evaluations each the budgets allow; infinite without budgets (None)."""
    steps = inf if max_steps is None else max_steps
    return steps if max_evaluations is None else min(steps, max_evaluations // n_probes)


def check_pair(estimator, update) -> None:
    """Raise unless this is an update, and one that can work with the estimator."""
    if not isinstance(update, Update):
        UPDATES.of(update)  # raises, listing the updates there are
    if estimator.coefficients_are == "moves" and (update.links != (SGD(1.0),) or update.clip):
        only = f"SGD(1.0) for {type(estimator).__name__}, as only that makes the moves that lowered the loss"
        raise ValueError(f"update: expected {only}, got {update!r}: write update=bf.SGD(1.0)")
    for link in update.links:
        link.check_estimator(estimator)


def _any(record) -> bool:
    """record.any(), which looks at all of it first, where it may be as long as theta."""
    flat = record.ravel()
    return any(flat[start : start + _PART].any() for start in range(0, flat.size, _PART))
