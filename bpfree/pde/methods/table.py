# SPDX-License-Identifier: MIT
"""What a method is: settings, the iteration that they start from a first theta, and a row of the table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.engines.cost import largest_product
from bpfree.estimators.step import nonfinite
from bpfree.pde.network import COLUMNS
from bpfree.registry import HostOnly


@dataclass
class Moved:
    """One step done: theta after it, the loss there (or, for estimators of it, near there), and r if it is known.

    note: a few words on how, for the progress bar. code, advice: why the run ends here, None where it goes on.
    """

    theta: np.ndarray
    loss: float
    r: np.ndarray | None = None
    note: str = ""
    code: str | None = None
    advice: str = ""

    @property
    def made(self) -> bool:
        """Whether there is a new theta: a run may end behind a step that was made, but changed no loss."""
        return self.code in (None, "mu_too_small")


class Iteration:
    """The state of a method between steps. objective: :class:`bpfree.pde.objective.Objective`."""

    def __init__(self, settings, objective):
        self.settings, self.objective = settings, objective

    def step(self, theta, step: int) -> Moved:
        """One step from theta."""
        raise NotImplementedError

    def cost(self, step: int) -> int:
        """Forwards that the step is likely to take."""
        raise NotImplementedError

    def largest_product(self, step: int) -> int:
        """Multiply-accumulates of the largest product of the step, which says whether threads of BLAS pay off."""
        residuals = self.objective.at(step)
        return largest_product(self.objective.network.graph, min(residuals.passes, COLUMNS))


class Method:
    """How theta moves. Subclasses are frozen dataclasses of their settings; `iteration` is an Iteration subclass.

    steps: of a run that no other budget is given for. look_every: steps between looks at the error.
    """

    iteration: type
    steps = 200
    look_every = 5
    tier = "layer-access"

    def start(self, objective) -> Iteration:
        """An iteration on this objective."""
        return self.iteration(self, objective)


@dataclass(frozen=True)
class MethodRow:
    """One row: settings class, C symbol, tier, and what it is in half a sentence.

    tier: of its Jacobian where the network can be looked into; "black-box" works with values of u alone.
    """

    number: int
    name: str
    c: str | HostOnly
    settings: type
    tier: str
    what: str


def not_finite(r, theta, step: int, what: str) -> Moved:
    """A step that meets numbers that are not finite: nothing has moved."""
    code, text = nonfinite(step, f"{what} is not finite", "try more damping, a smaller lr, or other points")
    return Moved(theta, float("nan"), r, code=code, advice=text)
