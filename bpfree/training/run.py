# SPDX-License-Identifier: MIT
"""What training gives back: the model, how it got there, what it cost, why it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bpfree.estimators.step import FAILURES
from bpfree.journal import Journal
from bpfree.model import Model
from bpfree.trainer import Trainer
from bpfree.training.state import State

OUTCOMES = ("done", "budget", "early_stop", "callback", *FAILURES)
"""The values of `Run.outcome_code`."""


class Validation(NamedTuple):
    """One look at the validation samples: after how many steps, what it showed, what training had cost by then."""

    step: int
    value: float
    forwards: int
    evaluations: int
    seconds: float


class Best(NamedTuple):
    """The best validation of a run, and the model it was."""

    step: int
    value: float
    model: Model


@dataclass
class Run:
    """What training did, and what it cost.

    model: the parameters after the last step, which journal and hash agree on;
    best: (step, value, model) of the best validation, or None. losses: mean
    probe loss of every step. history: one `Validation` each time; validation:
    their (step, value). The value is the accuracy, or for losses without labels
    the mean loss (`metric`). evaluations: black-box loss calls. forwards:
    multiply-accumulates spent on them, in passes of one sample through the
    network, rounded a step; passes for validation are not counted. state: the update's, which `train(state=...)`
    goes on with, and coefficients (groups, queries) the estimator's, before clip and lr, of the last step. quiet: steps
    in a row, up to the last, in which no probe changed the loss. fallback: why the
    default engine was not the compiled one, "" where it was.
    outcome_code: one of OUTCOMES; outcome: the same for people, with advice.
    batches: where batches came from that were not drawn from samples in memory.

    >>> import bpfree as bf
    >>> x, y = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> run = bf.train(bf.Sequential(4, [bf.Linear(2)]), (x, y), max_steps=3, batch_size=2, engine="reference")
    >>> run.outcome, run.evaluations, run.forwards, len(run.journal)
    ('done', 48, 96, 3)
    """

    model: Model
    trainer: Trainer
    journal: Journal
    losses: list[float] = field(default_factory=list)
    history: list[Validation] = field(default_factory=list)
    best: Best | None = None
    state: State = field(default_factory=lambda: State([], "", 0, ()))
    coefficients: np.ndarray | None = None
    evaluations: int = 0
    forwards: int = 0
    seconds: float = 0.0
    quiet: int = 0
    outcome: str = "done"
    outcome_code: str = "done"
    data_bytes: int = 0
    batches: str = ""
    fallback: str = ""

    @property
    def steps(self) -> int:
        """Steps done, of this run."""
        return len(self.losses)

    @property
    def first_step(self) -> int:
        """The number of the run's first step."""
        return self.journal.first_step

    @property
    def next_step(self) -> int:
        """The number of the step after those that are done: `first_step` of a run that goes on from this one."""
        return self.first_step + self.steps

    @property
    def validation(self) -> list[tuple[int, float]]:
        """(step, value) of every validation."""
        return [(row.step, row.value) for row in self.history]

    @property
    def macs(self) -> int:
        """Multiply-accumulates spent in forward passes."""
        return self.forwards * self.model.macs

    @property
    def tier(self) -> str:
        """What its estimator looks at: "black-box" (losses alone) or "layer-access"."""
        return self.trainer.rows["estimator"].tier

    @property
    def metric(self) -> str:
        """What validation measures."""
        return "accuracy" if self.trainer.loss.labels else "loss"

    @property
    def memory(self) -> dict[str, int]:
        """Bytes of the run's arrays: parameters, state of the update, data; and the process's peak, 0 if unknown."""
        return {
            "parameters": self.model.theta.nbytes + self.model.frozen.nbytes,
            "state": sum(part.nbytes for part in self.state),
            "data": self.data_bytes,
            "process_peak": _process_peak(),
        }

    def summary(self) -> str:
        """A few lines for people: what was learnt, what it cost, why it ended."""
        lines = ["no steps"]
        if self.losses:
            begins = f" from step {self.first_step:,} on" if self.first_step else ""
            lines = [f"steps {self.steps:,}{begins}, loss {self.losses[0]:.4f} -> {self.losses[-1]:.4f}"]
        if self.batches:
            lines.append(self.batches)
        if self.journal.skips:
            lines.append(f"skipped {len(self.journal.skips):,} steps that were not finite (run.journal.skips)")
        if self.history:
            last = self.history[-1]
            best = f", best {self.best.value:.4f} after step {self.best.step}" if self.best else ""
            lines.append(f"validation {self.metric} {last.value:.4f} after step {last.step}{best}")
        graph, memory = self.model.graph, self.memory
        if graph.n_frozen:
            names = ", ".join(part.name for part in graph.trainable)
            lines.append(f"trained {names} ({graph.n_theta:,} parameters), frozen {graph.n_frozen:,}")
        arrays = ", ".join(f"{name} {_bytes(memory[name])}" for name in ("parameters", "state", "data"))
        peak = f"; peak of the process {_bytes(memory['process_peak'])}" if memory["process_peak"] else ""
        rate = f" ({self.steps / self.seconds:.1f} steps/s)" if self.losses and self.seconds else ""
        return "\n".join(
            [
                *lines,
                f"forwards {self.forwards:,} ({self.macs:,} MACs), {self.evaluations:,} loss evaluations, {self.tier}",
                f"time {self.seconds:.1f} s{rate}, memory: {arrays}{peak}",
                *([f"engine {self.fallback}"] if self.fallback else []),
                f"theta {self.model.hash}, outcome: {self.outcome}",
            ]
        )

    def plot(self, path) -> None:
        """Save a picture of loss and validation against forwards (needs matplotlib: the extra `plot`)."""
        from bpfree.screen.plots import plot_run

        plot_run(self, path)

    def improves(self, value: float) -> bool:
        """Is this validation better than the best so far?"""
        if not np.isfinite(value):
            return False
        return self.best is None or (value > self.best.value if self.metric == "accuracy" else value < self.best.value)


def _bytes(count: int) -> str:
    """A count of bytes for people."""
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _process_peak() -> int:
    """Most memory this process has held, in bytes; 0 where the system does not say."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:
        return 0
    import sys

    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
