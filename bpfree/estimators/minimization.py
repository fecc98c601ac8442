# SPDX-License-Identifier: MIT
"""Minimise any function of parameters from its values alone: the loop around ask and tell."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from bpfree.errors import check_functions, check_unmasked
from bpfree.estimators.rge import RGE
from bpfree.screen.progress import live_bar


@dataclass
class History:
    """How a minimisation went.

    losses: mean loss over the points of every step. theta: the parameters after
    the last of them. evaluations: calls of the function. outcome_code: "done"
    (max_steps), "budget", "callback", or a failure: "nonfinite_loss",
    "overflow", "mu_too_small"; outcome: the same for people, with advice.
    """

    theta: np.ndarray
    losses: list[float] = field(default_factory=list)
    evaluations: int = 0
    seconds: float = 0.0
    outcome: str = "running"
    outcome_code: str = "running"

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self.losses)

    def summary(self) -> str:
        """Two lines for people."""
        losses = f"loss {self.losses[0]:.6g} -> {self.losses[-1]:.6g}" if self.losses else "no steps"
        cost = f"{self.steps:,} steps, {self.evaluations:,} evaluations in {self.seconds:.1f} s"
        return f"{losses}, {cost}\noutcome: {self.outcome}"


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
    taken sample by sample, which is far less noisy. It may do what it likes with
    the array it is given.
    theta0: of any shape, float32 or float64, left as it is.
    estimator, update: such as RGE(n_queries=16), the default, and SGD(1e-2).
    max_evaluations, max_steps: budgets, at least one of them; a step that would
    go over one is not begun. seed: of the directions; nothing else is random.
    callbacks: a function of (step, history), or several, called after every
    step, counted from 0; returning False stops. progress: a live bar on stderr;
    default: when that is a terminal.

    Numeric failure is a result: theta is then the last finite one, and
    `history.outcome` says what to try. For losses that are measured elsewhere
    see `AskTell`.

    >>> import bpfree as bf
    >>> def rosenbrock(theta):
    ...     return (1 - theta[0]) ** 2 + 100 * (theta[1] - theta[0] ** 2) ** 2
    >>> theta, history = bf.minimize(
    ...     rosenbrock, [0.0, 0.0], estimator=bf.RGE(n_queries=8, mu=1e-4), update=bf.Adam(0.02), max_evaluations=16000
    ... )
    >>> history.outcome_code, bool(abs(theta - 1).max() < 0.1)
    ('budget', True)
    """
    if not callable(loss_fn):
        raise TypeError(f"loss_fn: expected a function of theta, got {loss_fn!r}")
    if max_steps is None and max_evaluations is None:
        raise TypeError("max_evaluations, max_steps: expected at least one of them, got none")
    callbacks = check_functions("callbacks", callbacks, "(step, history)")
    estimator = RGE(n_queries=16) if estimator is None else estimator
    if isinstance(estimator, type) or not hasattr(estimator, "start"):
        raise TypeError(f"estimator: expected one such as RGE(n_queries=16), got {estimator!r}")
    ask = estimator.start(theta0, update=update, seed=seed, max_steps=max_steps, max_evaluations=max_evaluations)
    history, began = History(ask.theta), time.perf_counter()
    with live_bar(_steps(ask), "minimising", progress) as show:
        while ask.outcome_code == "running":
            ask.tell([_value(loss_fn(ask.point(k))) for k in range(ask.n_probes)])
            history.evaluations, history.seconds = ask.evaluations, time.perf_counter() - began
            if ask.step == history.steps:  # a failure: no step was made
                break
            history.theta = ask.theta
            history.losses.append(ask.loss)
            show(ask.step, f"loss {ask.loss:.6g}  {ask.evaluations:,} evaluations")
            answers = [callback(ask.step - 1, history) for callback in callbacks]
            if any(answer is False for answer in answers):
                history.outcome_code, history.outcome = "callback", f"stopped by the callback after step {ask.step - 1}"
                break
    if history.outcome_code == "running":
        history.outcome_code, history.outcome = ask.outcome_code, ask.outcome
    return history.theta.copy(), history


def _steps(ask) -> int:
    """Steps that the budgets allow."""
    limits = [] if ask.max_steps is None else [ask.max_steps]
    if ask.max_evaluations is not None:
        limits.append(int(ask.max_evaluations // ask.n_probes))
    return min(limits)


def _value(loss):
    """A loss as it comes, checked: a number or (samples,)."""
    try:
        array = np.asarray(check_unmasked("loss_fn", loss))
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "iuf" or array.ndim > 1 or array.size == 0:
        raise TypeError(f"loss_fn: expected a real number or (samples,) of them, got {array.dtype} {array.shape}")
    return array
