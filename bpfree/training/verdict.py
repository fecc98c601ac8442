# SPDX-License-Identifier: MIT
"""What stands out of a run that has ended: it is no better than a constant answer, or theta has hardly moved."""

from __future__ import annotations

import math

import numpy as np

from bpfree.arithmetic import Fast
from bpfree.engines.probes import AT_THETA
from bpfree.estimators.step import FAILURES, Outcome
from bpfree.losses import LOSSES
from bpfree.training.divergence import scaling
from bpfree.training.run import Run

LAST_STEPS = 10
"""Steps whose mean loss is compared; of a run with fewer only that the loss has risen."""

_RISEN = 2.0
"""A loss that is so many times the first has risen, whatever the minibatch."""

_MOVED = 1e-5
"""Theta that has moved by less, in units of its largest element, stands still."""

MORE_STEPS = "more steps, as the loss is still falling"
"""What to try after a run that was merely short."""

_NOISE = 1.5
"""Standard errors by which the mean loss has to fall, which the choice of minibatches alone seldom brings about."""

_FALL = 0.01
"""The least part of the first loss by which it has to fall: a slower fall asks for another lr as well."""

_CLEARLY = 0.99
"""A loss below this part of a constant answer's is clearly better."""

_CHUNK = 4096
"""Most training samples that are looked at, and samples whose loss is computed at a time."""


def advice(plan, run: Run, end: Outcome) -> str:
    """What is wrong with the run's model, and what to try; "" where nothing stands out."""
    course = run.course
    if run.steps < LAST_STEPS and not (course.recent and course.recent[-1] > _RISEN * course.first):
        return ""  # too few to have learnt anything, but enough to have lost something
    facts, ways = [], "another lr, for which bf.calibrate finds a first value"
    if course.exploded:
        facts.append(f"the loss has risen, {course.first:.4g} -> {course.recent[-1]:.4g}")
        ways = "a smaller lr"
    elif end.code not in FAILURES and (still := _stands_still(plan, run)):
        facts.append(still)
        ways = "a larger lr, or a loss of another scale"
    elif still_falling(run.losses):
        ways = MORE_STEPS
    facts += _no_better_than_a_constant(plan, run)
    return f"{', and '.join(facts)}: try {ways}; {scaling(plan.feed.held)}" if facts else ""


def at_a_minimum(plan, run: Run, end: Outcome) -> Outcome:
    """The end of a run in which no probe changes the loss any more: where it is at a minimum, that is no failure.

    As far as float32 can tell a loss of 0 is one, and so is a loss that has fallen and stands still, unless the
    answers are no better than a constant one, as where a step too large has left every ReLU off.
    """
    if end.code != "mu_too_small":
        return end
    samples = _some_of(plan.feed.held)
    first, last = (_loss_at_theta(plan, model, samples) for model in (plan.start, run.model))
    step, still = f"step {run.next_step - 1}", f"no probe changed it for {run.quiet} steps"
    if last <= _rounding(run.trainer.loss, samples):
        return Outcome("stalled", f"{step}: the loss is {last:.4g} and {still}: nothing is left to learn")
    if not first - last > _FALL * abs(first) or _no_better_than_a_constant(plan, run):
        return end
    if _is_constant(plan, run.model, samples) or run.course.theta_exploded(run.model.theta):
        return end
    ways = "a minimum, or ground so flat that only a larger mu sees more"
    return Outcome("stalled", f"{step}: the loss stands still at {last:.4g}, as {still}: {ways}")


def _is_constant(plan, model, samples) -> bool:
    """True where the answer is the same for samples that differ, or no better: a step too large has left units off."""
    outputs = plan.engine.predict(model.graph, model.theta, model.frozen, samples.x)
    if (outputs == outputs[0]).all() and (samples.x != samples.x[0]).any():
        return True
    loss = plan.trainer.loss
    return LOSSES.has(loss) and not _loss_at_theta(plan, model, samples) < constant_loss(loss, samples)


def _rounding(loss, samples) -> float:
    """What a loss of 0 may come to in float32; -inf for a function, of which nobody knows that 0 is its least."""
    if not LOSSES.has(loss):
        return -math.inf
    eps = float(np.finfo(np.float32).eps)
    return eps if loss.labels else (eps * float(np.abs(samples.targets).max())) ** 2


def _stands_still(plan, run) -> str:
    moved = float(np.abs(run.model.theta - plan.start.theta).max())
    if moved > _MOVED * np.abs(run.model.theta).max():
        return ""
    samples = _some_of(plan.feed.held)
    if _loss_at_theta(plan, run.model, samples) <= _rounding(run.trainer.loss, samples):
        return ""
    return f"theta has hardly moved, by {moved:.2g} at most, and the loss stands still at {run.course.recent[-1]:.4g}"


def still_falling(losses) -> bool:
    """True where the mean loss of the latter half of the last steps is well below that of the former.

    Not where it is above the first loss: it falls from where a step too large has brought it.
    """
    losses = [loss for loss in losses if loss == loss]  # NaN is a step that was skipped
    last = np.array(losses[-max(LAST_STEPS, len(losses) // 2) :])
    former, latter = np.array_split(last, 2)
    noise = np.hypot(former.std() / np.sqrt(len(former)), latter.std() / np.sqrt(len(latter)))
    return bool(latter.mean() < min(losses[0], former.mean() - max(_NOISE * noise, _FALL * abs(losses[0]))))


def _no_better_than_a_constant(plan, run) -> list[str]:
    """The validation, the training loss that say so; none where nothing is known to compare with."""
    loss, told = run.trainer.loss, []
    if plan.held_out and run.metric == "accuracy":
        value, constant = run.history[-1].value, float(class_shares(plan.held_out).max())
        if value <= constant < 1 and not _is_informed(plan, run):  # one class is no choice
            told.append(f"validation accuracy {value:.4g} is no better than {constant:.4g}, that of one class for all")
    if not LOSSES.has(loss):
        return told
    what, value, constant = "", -math.inf, math.inf
    if plan.held_out and run.metric == "loss":
        what, value, constant = "validation loss", run.history[-1].value, constant_loss(loss, plan.held_out)
    elif plan.feed.epoch:  # else the samples in memory are too few to say what a constant answer comes to
        samples = _some_of(plan.feed.held)
        what, value, constant = "training loss", np.mean(run.course.recent), constant_loss(loss, samples)
        if not value < constant:  # but that is the loss around theta, at the probes
            value = _loss_at_theta(plan, run.model, samples)
    if constant > 0 and not value < constant:  # where all targets are equal there is nothing to learn
        told.append(f"{what} {value:.4g} is no better than {constant:.4g}, that of a constant answer")
    return told


def _is_informed(plan, run) -> bool:
    """True where the validation loss is clearly better than that of the class shares, whatever the accuracy.

    Where one class is rare, the best answer may be the other class for all x, with a share that depends on x.
    """
    loss, held = run.trainer.loss, plan.held_out
    return LOSSES.has(loss) and _loss_at_theta(plan, run.model, held) < _CLEARLY * constant_loss(loss, held)


def _some_of(batch):
    """At most so many samples, from all over a batch, which may be sorted."""
    return batch.take(np.linspace(0, len(batch) - 1, min(len(batch), _CHUNK)).astype(int))


def _loss_at_theta(plan, model, samples) -> float:
    values, _ = plan.engine.evaluate(model.graph, model.theta, model.frozen, samples, plan.trainer.loss, [AT_THETA])
    return float(values.mean(dtype=np.float64) if samples.weights is None else values.sum() / samples.weights.sum())


def class_shares(batch) -> np.ndarray:
    """The share of every class among the labels of a batch, by weight."""
    counts = np.bincount(batch.labels, batch.weights)
    return counts / counts.sum()


def constant_loss(loss, batch) -> float:
    """The mean loss of an answer that is the same for every x.

    Of labels the scores are log p_c, p_c the share of class c, whose cross-entropy is -sum_c p_c log p_c; else the
    answer is the mean of the targets, whose squared error is their variance.
    """
    if loss.labels:
        shares = class_shares(batch)
        there = np.flatnonzero(shares)
        scores = np.repeat(np.log(shares[there])[:, None], len(there), axis=1)
        return float(shares[there] @ loss.losses(Fast, scores, np.arange(len(there))))
    weights = np.ones(len(batch)) if batch.weights is None else batch.weights.astype(np.float64)
    weights /= weights.sum()
    mean, total = weights @ batch.targets, 0.0
    for first in range(0, len(batch), _CHUNK):
        part = slice(first, first + _CHUNK)
        target = loss.target(batch.take(part), np.float64)
        answer = np.repeat(mean[:, None], target.shape[1], axis=1)
        total += float(weights[part] @ loss.losses(Fast, answer, target))
    rounding = np.finfo(np.float32).eps * np.abs(mean).max()
    return total if total > rounding**2 else 0.0
