# SPDX-License-Identifier: MIT
"""How a minimisation stands: the best theta so far, what was lost, and whether the run has lost its way."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import numpy as np

from bpfree.errors import check_count, check_seed
from bpfree.estimators.divergence import DIVERGED_STEPS, above_bound, divergence, has_exploded, loss_bound
from bpfree.estimators.step import Outcome, standstill

_ADVICE = "try a smaller lr, or `bf.minimize` without update=, whose steps do not depend on the function's scale"


class Best(NamedTuple):
    """The best theta of a run.

    step: how many steps had been made when theta was this. loss: the mean of what was measured around it, or at it,
    where it was evaluated again. theta: the parameters, read-only.
    """

    step: int
    loss: float
    theta: np.ndarray


@dataclass
class Standing:
    """What steps have shown so far, in few numbers, so that a saved run goes on with the same ones.

    evaluations: losses told; lost: those of them that were not finite. quiet: steps in a row in which no probe
    changed the loss. first: mean loss of the first step; bound: what means stay below (`loss_bound`); recent: means of
    the last steps. scale: the largest |theta| at the start.
    """

    scale: float
    evaluations: int = 0
    lost: int = 0
    quiet: int = 0
    first: float = math.nan
    bound: float = math.inf
    recent: list = field(default_factory=list)
    best: Best | None = None

    def told(self, values, arrived) -> float:
        """Count losses (n_probes, samples); returns the mean of those that arrived."""
        self.evaluations += len(values)
        self.lost += int(np.count_nonzero(~arrived))
        return float(values[arrived].mean()) if arrived.any() else math.nan

    def stepped(self, step: int, loss: float, values, theta, quiet: int) -> None:
        """A step was made from this theta, around which the mean loss was this."""
        self.quiet = quiet
        if math.isnan(self.first):
            self.first, self.bound = loss, loss_bound(values)
        self.recent = [*self.recent, loss][-DIVERGED_STEPS:]
        if self.best is None or loss < self.best.loss:
            self.best = Best(step, loss, theta)

    def failure(self, steps: int, theta) -> Outcome | None:
        """Has the run diverged, or does it stand still, after so many steps?"""
        still = standstill(steps, self.quiet)
        start = np.array([self.scale])
        if above_bound(self.recent, self.bound) or (still and has_exploded(theta, start)):
            return divergence(steps - 1, (self.first, self.recent[-1]), _ADVICE)
        return still

    def document(self) -> dict:
        """All but the best theta, for JSON."""
        numbers = asdict(self)
        best = numbers.pop("best")
        return {**numbers, "best": best and [best[0], best[1]]}

    @classmethod
    def of(cls, numbers: dict, best_theta) -> Standing:
        """From a `document`, or one of earlier files, which had fewer numbers; raises ValueError or the like."""
        counts = {name: check_count(name, numbers.get(name, 0), 0) for name in ("evaluations", "lost", "quiet")}
        means = {name: float(numbers[name]) for name in ("scale", "first", "bound") if name in numbers}
        recent = [float(loss) for loss in numbers.get("recent", [])]
        best = numbers.get("best")
        if best is not None:
            best = Best(check_seed(best[0], "step"), float(best[1]), best_theta)
        return cls(**{"scale": math.inf, **counts, **means}, recent=recent, best=best)
