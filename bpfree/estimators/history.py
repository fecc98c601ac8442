# SPDX-License-Identifier: MIT
"""What minimising a function gives back beside theta: how it went, what it cost, why it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bpfree.estimators.standing import LowestMean


@dataclass
class History:
    """How a minimisation went; that of solving an equation is `solution.history` of bpfree.pde.solve.

    start: the loss at theta0. losses: mean loss over the points of every step that was
    made. theta: the parameters after the last of them. best: (step, loss, theta), while
    the run goes on of the lowest of these means, at the end the theta that is returned and
    its loss, evaluated again; step: how many steps had been made by then. evaluations: calls of the
    function; lost: replies of all of them that were not finite; skipped: (step, reason) of steps of which
    nothing was left. estimator, update: those of the run. outcome_code: "done"
    (max_steps), "budget", "callback", "stalled" (no probe changes the loss, at its lowest), or
    a failure: "diverged", "nonfinite_loss", "overflow", "mu_too_small"; outcome: the same for people, with advice.
    noise: standard deviation of evaluations at one point, by the first look. advice: what
    stands against the result and what to do, such as that nothing better than the start was found; else empty.

    >>> import bpfree as bf
    >>> _, history = bf.minimize(lambda theta: float((theta**2).sum()), np.ones(3), update=bf.SGD(0.1), max_steps=5)
    >>> history.start, history.best.step, history.evaluations, history.outcome
    (3.0, 5, 163, 'done')
    """

    theta: np.ndarray
    start: float = float("nan")
    losses: list[float] = field(default_factory=list)
    best: LowestMean | None = None
    evaluations: int = 0
    lost: int = 0
    skipped: list = field(default_factory=list)
    seconds: float = 0.0
    outcome: str = "running"
    outcome_code: str = "running"
    noise: float = 0.0
    advice: str = ""
    estimator: object = None
    update: object = None

    def __repr__(self) -> str:
        best = self.best.loss if self.best else self.start
        return f"History({self.outcome_code}, {self.steps} steps, {self.evaluations} evaluations, loss {best:.6g})"

    @property
    def steps(self) -> int:
        """Steps made."""
        return len(self.losses)

    def summary(self) -> str:
        """A few lines for people."""
        best = self.best.loss if self.best else self.start
        losses = f"loss {self.start:.6g} -> {best:.6g}, {self.steps:,} steps" if self.losses else "no steps"
        lines = [f"{losses}, {self.evaluations:,} evaluations in {self.seconds:.1f} s"]
        if self.best and self.best.step < self.steps:
            lines.append(f"best after step {self.best.step:,}; the last steps' mean loss is {self.losses[-1]:.6g}")
        if self.lost or self.skipped:
            lines.append(f"{self.lost:,} replies were not finite, {len(self.skipped):,} steps were skipped")
        advice = [f"advice: {self.advice}"] if self.advice else []
        return "\n".join([*lines, f"outcome: {self.outcome}", *advice])
