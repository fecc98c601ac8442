# SPDX-License-Identifier: MIT
"""The history of a solve: losses step by step, and measurements of terms and error (looks) from time to time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

OUTCOMES = (
    "done", "budget", "time", "tolerance", "stalled", "callback", "unsolved", "underdetermined", "overdetermined",
    "ill_posed", "mu_too_small", "nonfinite_loss", "overflow",
)  # fmt: skip
"""Values of `History.outcome_code`: max_steps, max_forwards, max_seconds or tolerance is reached; no step lowers the
loss any more; a callback stopped the run; the equations do not hold even at the points of the solve; they do, but
not between them, or conditions are missing; there are more of them than
derivatives, and they do not agree; errors of the conditions grow without bound; and numeric failures."""

JUDGED = ("done", "budget", "time", "tolerance", "stalled")
"""Outcomes of a solve whose answer is judged at points that it has not seen."""


class Look(NamedTuple):
    """A measurement after `step` steps: loss, mean square of each term, relative L2 error (NaN if unknown), cost."""

    step: int
    loss: float
    terms: dict[str, float]
    error: float
    forwards: int
    seconds: float


@dataclass
class History:
    """The history of a solve, as `solution.history`; `bpfree.History` is that of a minimisation.

    losses: r . r after every step.
    looks: the measurements, each a Look.
    forwards: all multiply-accumulates so far, in passes of one sample.
    seconds: time so far.
    outcome_code: one of OUTCOMES, or "running".
    outcome: the same in words, with advice.
    remark: what `outcome` adds of a rough answer of a solve that ended as it should; else "".
    """

    losses: list[float] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    forwards: int = 0
    seconds: float = 0.0
    outcome_code: str = "running"
    outcome: str = "running"
    remark: str = ""

    def __repr__(self) -> str:
        loss = f", loss {self.losses[0]:.4g} -> {self.losses[-1]:.4g}" if self.losses else ""
        return f"History({self.outcome_code}, {self.steps} steps, {len(self.looks)} looks{loss})"

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return len(self.losses)

    def end(self, code: str, text: str | None = None) -> None:
        """Set the reason why the solve ended."""
        self.outcome_code, self.outcome = code, text or code


def read_history(document, losses) -> History:
    """Return the history that a file holds; raises ValueError or TypeError where numbers or words are others."""
    looks = [_read_look(*row) for row in document["looks"]]
    (forwards, seconds), outcome = document["cost"], document["outcome"]
    if not looks or losses.ndim != 1 or losses.dtype.kind != "f":
        raise ValueError(f"history: expected looks and losses (steps,), got {len(looks)} and {losses.shape}")
    code, text = map(_text, outcome)
    remark = _text(document.get("remark", ""))  # files of earlier versions have none
    return History(losses.tolist(), looks, _count(forwards), _number(seconds), code, text, remark)


def _read_look(step, loss, terms, error, forwards, seconds) -> Look:
    named = {_text(name): _number(value) for name, value in dict(terms).items()}
    return Look(_count(step), _number(loss), named, _number(error), _count(forwards), _number(seconds))


def _number(value) -> float:
    """Return a number; None is how a file writes NaN."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError(f"history: expected a number, got {value!r}")
    return float("nan") if value is None else float(value)


def _count(value) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"history: expected a count, got {value!r}")
    return value


def _text(value) -> str:
    if not isinstance(value, str):
        raise TypeError(f"history: expected a text, got {value!r}")
    return value
