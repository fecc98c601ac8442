# SPDX-License-Identifier: MIT
"""Minimise any function of parameters from its values alone: the loop around ask and tell."""

from __future__ import annotations

import time

import numpy as np

from bpfree.errors import check_count, check_functions, check_positive
from bpfree.estimators.asktell import as_parameters, check_starts
from bpfree.estimators.first_advice import ELSEWHERE
from bpfree.estimators.first_look import first_look
from bpfree.estimators.history import History
from bpfree.estimators.last_look import kept_for_the_end, last_look
from bpfree.estimators.replies import Measure
from bpfree.estimators.rge import RGE
from bpfree.estimators.step import MOST_SKIPPED, QUIET_STEPS, steps_allowed
from bpfree.screen.progress import live_bar
from bpfree.updates.table import read_only

NOTHING_BETTER = "nothing better than the start was found"
OTHERWISE = "try another start; where parameters differ in size, minimise over theta / size, as steps are equally long"


def minimize(
    loss_fn,
    theta0,
    *,
    estimator=None,
    update=None,
    max_evaluations: float | None = None,
    max_steps: int | None = None,
    seed: int = 0,
    callbacks=(),
    progress: bool | None = None,
):
    """Minimise loss_fn(theta) with nothing but its values; returns (theta, history).

    loss_fn: theta, an array like theta0, to a number, or to losses (samples,)
    whose mean is meant, of the same samples at every call: differences are then
    taken sample by sample, which is far less noisy. NaN is a reply that was lost, and
    infinity says that this is no place to be (`AskTell.tell`). It may do what it likes with
    the array it is given.
    theta0: of any shape, float32 or float64, left as it is.
    estimator, update: such as RGE(n_queries=16) and SGD(1e-2); default: see below.
    max_evaluations, max_steps: budgets, at least one of them; a step that would
    go over one is not begun. seed: of the directions; nothing else is random.
    callbacks: a function of (step, history), or several, called after every
    step, counted from 0; returning False stops. progress: a live bar on stderr;
    default: when that is a terminal.

    Defaults do not depend on the scale of the function. The update is Adam, whose steps are equally long in
    every parameter, 0.2 at first - unless the loss along the first step says that this is too long or too
    short by far - and less and less along half a cosine. The estimator is two-sided CGE where the
    evaluations allow 50 gradients by coordinates, else RGE with 4 to 16 queries; its probes go four times as far
    as steps at first, which sees slopes and not ripples, are halved twenty times in a run, but stay so long
    that differences stand out of the noise. What was chosen is in `history`, and `calibrate` gives the same.
    With an update of your own the estimator is RGE(n_queries=16).

    theta is the best that was found: the start, the theta of the lowest step mean and the last one are
    evaluated, each counted, and the lowest is returned, so never one above the start. Where losses are noisy, the last
    two are evaluated up to 16 times, and an earlier theta is returned only where it is lower by more than the noise.
    `history.advice` says where nothing better was found, or parameters differ in size.

    Numeric failure is a result, and `history.outcome` says what to try. A step all of whose replies
    were lost is skipped; ten in a row end the run. For losses that are measured elsewhere
    see `AskTell`.

    >>> import bpfree as bf
    >>> def rosenbrock(theta):
    ...     return (1 - theta[0]) ** 2 + 100 * (theta[1] - theta[0] ** 2) ** 2
    >>> theta, history = bf.minimize(rosenbrock, [0.0, 0.0], max_evaluations=4000)
    >>> history.outcome_code, bool(abs(theta - 1).max() < 0.1)
    ('budget', True)
    """
    measure = Measure(loss_fn)
    if max_steps is None and max_evaluations is None:
        raise TypeError("max_evaluations, max_steps: expected at least one of them, got none")
    max_steps = None if max_steps is None else check_count("max_steps", max_steps)
    most = None if max_evaluations is None else check_positive("max_evaluations", max_evaluations)
    callbacks = check_functions("callbacks", callbacks, "(step, history)")
    check_starts(estimator)
    theta0, began = as_parameters(theta0), time.perf_counter()
    history = History(read_only(theta0))
    start, noise, kept = [], None, kept_for_the_end(0.0, most)
    if update is None and (most is None or most > kept):
        look = first_look(measure, theta0, estimator, seed, max_steps, most)
        history.start, estimator, update = look.loss, look.estimator, look.update
        history.noise, history.advice, start = look.noise, look.advice, list(look.losses)
        noise = look.noise if len(start) > 1 else None
        kept = kept_for_the_end(look.noise, most)
    history.estimator = estimator = RGE(n_queries=16) if estimator is None else estimator
    spent = measure.calls or 1
    left = None if most is None else max(most - spent - kept, 0.5)
    ask = estimator.start(theta0, update=update, seed=seed, max_steps=max_steps, max_evaluations=left)
    history.update = ask.update
    if not measure.calls and (most is None or most >= 1):
        history.start = measure.mean(theta0)
        start = [history.start]
    steps = int(steps_allowed(ask.n_probes, ask.max_steps, ask.max_evaluations))
    with live_bar(steps, "minimising", progress) as show:
        _run(ask, measure, history, callbacks, show, began)
    spent = measure.calls
    history.best = last_look(measure, history, read_only(theta0), start, noise, most)
    _conclude(ask, history, spent, kept, most)
    history.evaluations, history.lost, history.seconds = measure.calls, measure.lost, time.perf_counter() - began
    return history.best.theta.copy(), history


def _run(ask, measure: Measure, history: History, callbacks, show, began: float) -> None:
    """Step by step until something ends the run."""
    in_a_row = 0
    while ask.outcome_code == "running":
        step, values = ask.step, measure.step(ask)
        ask.tell(values)
        history.evaluations, history.lost = measure.calls, measure.lost
        history.seconds = time.perf_counter() - began
        if ask.outcome_code == "nonfinite_loss" and not np.isfinite(values).all() and in_a_row + 1 < MOST_SKIPPED:
            in_a_row += 1
            ask.skip("too many replies were not finite")
            history.skipped = ask.skipped
            continue
        if ask.step == step:  # it was not made
            break
        in_a_row = 0
        history.theta, history.best = ask.theta, ask.best
        history.losses.append(ask.loss)
        show(ask.step, f"loss {ask.loss:.6g}  {history.evaluations:,} evaluations")
        answers = [callback(ask.step - 1, history) for callback in callbacks]
        if any(answer is False for answer in answers):
            history.outcome_code, history.outcome = "callback", f"stopped by the callback after step {ask.step - 1}"
            return
    history.outcome_code, history.outcome = ask.outcome_code, ask.outcome
    if in_a_row + 1 >= MOST_SKIPPED and ask.outcome_code == "nonfinite_loss":
        bad = np.count_nonzero(~np.isfinite(values).all(axis=1))
        told = f"losses are not finite at {bad} of {len(values)} points, for {in_a_row + 1} steps in a row"
        ways = f"{ELSEWHERE}{', or a smaller lr' if history.losses else ''}"  # a step may have led there
        history.outcome = f"step {ask.step}: {told}: {ways}"


def _conclude(ask, history: History, spent: int, kept: int, most) -> None:
    """The outcome in the words of minimize, and advice, when the best theta is known."""
    if history.outcome_code == "budget":
        needs = f"{spent:,} went before the last look, for which {kept} are kept, and a step needs {ask.n_probes:,}"
        history.outcome = f"budget: max_evaluations={most:,.0f}: {needs}"
    if history.steps >= QUIET_STEPS and history.best.step == 0 and history.outcome_code in ("done", "budget"):
        history.advice = f"{NOTHING_BETTER}: {history.advice or OTHERWISE}"
