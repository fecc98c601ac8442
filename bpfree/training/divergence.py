# SPDX-License-Identifier: MIT
"""A run that has diverged: how it is told from one that stands still, what to advise, and which model is given back."""

from __future__ import annotations

import math

import numpy as np

from bpfree.engines.probes import AT_THETA
from bpfree.estimators.step import SKIPPABLE, Outcome, nonfinite
from bpfree.model import Model
from bpfree.training.run import Run

_FAR = (0.01, 10.0)
"""The largest number of data that are scaled is between these."""

_TINY = 1e-12
"""A loss below has differences that may be below what float32 has room for, whatever mu is."""


def why_ended(run: Run) -> Outcome | None:
    """Why the run ends here: it has diverged, or no probe changes the loss any more; None where it goes on."""
    end = run.course.failure(run.next_step, run.steps, run.quiet, run.model.theta, "try a smaller lr")
    if end and end.code == "mu_too_small" and run.course.theta_exploded(run.model.theta):
        # Minibatches differ, so the last loss may be low by luck.
        if max(filter(math.isfinite, run.losses), default=-math.inf) > run.bound:
            return run.course.stands_far_away(run.next_step, run.model.theta, "try a smaller lr")
    risen = run.course.risen(run.steps, run.quiet)
    if end and end.code == "mu_too_small" and not risen and 0 < abs(last := run.course.recent[-1]) < _TINY:
        at = f"the loss stands still at {last:.4g}: try one of another scale"
        return Outcome(end.code, f"{end.text}; {at}")
    return end


def scaling(batch) -> str:
    """The largest of the samples' numbers: where it is far from 1, a usual lr diverges, or does nothing."""
    parts = {"x": batch.x}
    if batch.targets is not None and batch.targets.dtype == np.float32:
        parts["y"] = batch.targets
    largest = {name: float(max(values.max(), -values.min())) for name, values in parts.items()}
    what = "inputs and targets" if "y" in parts else "the inputs"
    question = "" if all(_FAR[0] <= most <= _FAR[1] for most in largest.values()) else f"are {what} scaled? "
    return question + ", ".join(f"the largest |{name}| is {most:.4g}" for name, most in largest.items())


def before_any_step(plan, run: Run, end: Outcome) -> Outcome:
    """What is said where no step could be made: of losses that are not finite at the start the lr is not to blame."""
    if end.code != "nonfinite_loss" or run.course.recent:
        return end
    ways = "scale the samples down, start from smaller parameters, or try a smaller mu"
    return nonfinite(run.next_step, advice=f"{ways}; {scaling(plan.feed.held)}")


def is_broken(plan, run: Run, end: Outcome) -> bool:
    """True where the theta that the run ends with is of no use.

    Where a step could not be made, its own minibatch, or a reply that was lost, may be to blame: the first minibatch
    tells, whose loss was in order at the start.
    """
    if end.code == "diverged":
        return True
    if end.code not in SKIPPABLE or not run.steps:
        return False
    model, first = run.model, plan.feed.at(run.first_step)
    values, _ = plan.engine.evaluate(model.graph, model.theta, model.frozen, first, run.trainer.loss, [AT_THETA])
    loss = float(values.mean(dtype=np.float64))
    return loss > run.bound if math.isfinite(loss) else run.course.theta_exploded(model.theta)


def safe_model(plan, run: Run, value_of) -> tuple[int, str, Model]:
    """The step, its name and the model: that of the best validation where it is better than the start, else the start.

    A model whose minibatch had a loss above the bound is of no use either, whatever its accuracy. value_of: a
    function of a Model to its validation.
    """
    best, start = run.best, plan.start
    if best is not None and run.losses[best.step - run.first_step - 1] <= run.bound:
        value = value_of(start)
        if best.value != value and not run.improves(value):
            return best.step, f"the best validated, {run.metric} {best.value:.4g} after step {best.step}", best.model
    return run.first_step, "the one that the run began with", start
