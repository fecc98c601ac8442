# SPDX-License-Identifier: MIT
"""How a minimisation stands: the best theta so far, what was lost, and whether the run has diverged or stands still."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from bpfree.errors import check_count, check_seed
from bpfree.estimators.divergence import Course, divergence
from bpfree.estimators.step import Outcome

_ADVICE = "try a smaller lr, or `bf.minimize` without update=, whose steps do not depend on the function's scale"


class LowestMean(NamedTuple):
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

    course: the means of steps. evaluations: losses told; lost: those of them that were not finite. quiet: steps in a
    row in which no probe changed the loss.
    """

    course: Course
    evaluations: int = 0
    lost: int = 0
    quiet: int = 0
    best: LowestMean | None = None

    def told(self, values, arrived) -> float:
        """Count losses (n_probes, samples); returns the mean of those that arrived."""
        self.evaluations += len(values)
        self.lost += int(np.count_nonzero(~arrived))
        with np.errstate(over="ignore"):  # a sum of float64 can still be infinite
            return float(values[arrived].mean(dtype=np.float64)) if arrived.any() else math.nan

    def stepped(self, step: int, loss: float, values, theta, quiet: int) -> None:
        """A step was made from this theta, around which the mean loss was this."""
        self.quiet = quiet
        self.course.stepped(values, loss)
        if self.best is None or loss < self.best.loss:
            self.best = LowestMean(step, loss, theta)

    def end(self, step: int, made: int, theta) -> Outcome | None:
        """Why the run ends before this step, after so many that were made; None where it goes on.

        Standing still at the lowest mean loss of the run is what a minimum looks like, and no failure.
        """
        end = self.course.failure(step, made, self.quiet, theta, _ADVICE)
        last = self.course.recent[-1] if self.course.recent else math.inf  # of a run saved by an earlier version
        if end and end.code == "mu_too_small" and self.quiet < made and self.best and last <= self.best.loss:
            text = f"the loss stands still at its lowest, {last:.4g}, as no probe changed it for {self.quiet} steps"
            ways = "a minimum, or ground so flat that only a larger mu sees more"
            return Outcome("stalled", f"step {step - 1}: {text}: {ways}")
        return end

    def beyond(self, step: int) -> Outcome | None:
        """The divergence of a run whose losses had exploded before this step could not be made; None of another."""
        return divergence(step, (self.course.first, math.inf), _ADVICE) if self.course.exploded else None

    def document(self) -> dict:
        """Return the numbers of all fields but the best theta, for JSON."""
        numbers = asdict(self)
        best, course = numbers.pop("best"), numbers.pop("course")
        return {**course, **numbers, "best": best and [best[0], best[1]]}

    @classmethod
    def of(cls, numbers: dict, best_theta) -> Standing:
        """From a `document`, or one of earlier files, which had fewer numbers; raises ValueError or the like."""
        counts = {name: check_count(name, numbers.get(name, 0), 0) for name in ("evaluations", "lost", "quiet")}
        course = {name: float(numbers[name]) for name in ("scale", "first", "bound") if name in numbers}
        course["recent"] = [float(loss) for loss in numbers.get("recent", [])]
        best = numbers.get("best")
        if best is not None:
            best = LowestMean(check_seed(best[0], "step"), float(best[1]), best_theta)
        return cls(Course(**{"scale": math.inf, **course}), **counts, best=best)
