# SPDX-License-Identifier: MIT
"""How solving went: losses step by step, and looks at terms and error from time to time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

OUTCOMES = (
    "done", "budget", "time", "tolerance", "stalled", "callback", "mu_too_small", "nonfinite_loss", "overflow",
)  # fmt: skip
"""Values of `History.outcome_code`: max_steps, max_forwards, max_seconds and tolerance reached; no step lowers the
loss any more; a callback said so; and numeric failures."""


class Look(NamedTuple):
    """After how many steps, the loss, each term's mean square, relative L2 error (NaN without a reference), cost."""

    step: int
    loss: float
    terms: dict[str, float]
    error: float
    forwards: int
    seconds: float


@dataclass
class History:
    """losses: r . r after every step. looks: `Look` each time. forwards: all multiply-accumulates, in passes.

    outcome_code: one of OUTCOMES; outcome: the same for people, with advice.
    """

    losses: list[float] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    forwards: int = 0
    seconds: float = 0.0
    outcome_code: str = "running"
    outcome: str = "running"

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self.losses)

    def end(self, code: str, text: str | None = None) -> None:
        """Why it ended."""
        self.outcome_code, self.outcome = code, text or code
