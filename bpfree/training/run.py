# SPDX-License-Identifier: MIT
"""What training gives back: the model, how it got there, what it cost, why it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bpfree.errors import check_finite
from bpfree.estimators.divergence import Course
from bpfree.estimators.step import FAILURES
from bpfree.journal import Journal
from bpfree.journal.format import Code
from bpfree.model import Model
from bpfree.trainer import Trainer
from bpfree.training.state import State

OUTCOMES = ("done", "budget", "early_stop", "callback", "stalled", *FAILURES)
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

    model: the parameters after the last step, which journal and hash agree on; of a run
    that diverged, those of the best validation or of the start, which its journal says and replays;
    best: (step, value, model) of the best validation, or None. losses: mean
    probe loss of every step. history: one `Validation` each time; validation:
    their (step, value). The value is the accuracy, or for losses without labels
    the mean loss (`metric`). evaluations: black-box loss calls. forwards:
    multiply-accumulates spent on them, in passes of one sample through the
    network, rounded a step; passes for validation are not counted. state: the update's, which `train(state=...)`
    goes on with, and coefficients (groups, queries) the estimator's, before clip and lr, of the last step. quiet: steps
    in a row, up to the last, in which no probe changed the loss. course: what divergence is seen
    by; bound: the loss above which ten steps in a row are divergence, as `train` has it. fallback: why the
    default engine was not the compiled one, "" where it was.
    outcome_code: one of OUTCOMES; outcome: the same for people, with advice. advice: of a run of ten steps or
    more, "" or what is wrong with its model: no better than an answer that is the same for every x (for labels
    the shares of the classes, for targets their mean), or no further than where it began; and what to try.
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
    course: Course = field(init=False)
    outcome: str = "done"
    outcome_code: str = "done"
    advice: str = ""
    data_bytes: int = 0
    batches: str = ""
    fallback: str = ""

    def __post_init__(self):
        self.course = Course(float(np.abs(self.model.theta).max(initial=0)))

    def __repr__(self) -> str:
        loss = f", loss {_short(self.losses[0])} -> {_short(self.losses[-1])}" if self.losses else ""
        return f"Run({self.outcome_code}, {self.steps} steps{loss}, {self.model!r})"

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
    def bound(self) -> float:
        """The mean loss above which ten steps in a row are divergence."""
        return self.course.bound

    @property
    def went_back(self) -> bool:
        """True where `model` is an earlier one than the last, which was of no use."""
        return any(event.code == Code.WENT_BACK for event in self.journal.events)

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

    def summary(self, floor=None) -> str:
        """A few lines for people: what was learnt, what it cost, why it ended, and what is wrong with it.

        floor: what the model has to beat, of the same samples as the validation: an accuracy (a loss, where that is
        the metric), or the `Floor` that `random_features_floor` gives. Without a validation the summary says so.
        """
        lines = ["no steps"]
        if self.losses:
            begins = f" from step {self.first_step:,} on" if self.first_step else ""
            lines = [f"steps {self.steps:,}{begins}, loss {_short(self.losses[0])} -> {_short(self.losses[-1])}"]
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
                *(f"advice: {text}" for text in (self.advice, self._below(floor)) if text),
            ]
        )

    def plot(self, path) -> None:
        """Save a picture of loss and validation against forwards (needs matplotlib: the extra `plot`)."""
        from bpfree.screen.plots import plot_run

        plot_run(self, path)

    def _below(self, floor) -> str:
        """What says that the last validation does not reach a floor, or that there is none to compare with it."""
        if floor is None:
            return ""
        floor = check_finite("floor", getattr(floor, "accuracy", floor))
        if not self.history:
            return f"the floor, {floor:.4g}, is compared with nothing, as the run had no validation: give train one"
        return below_floor(f"validation {self.metric}", self.history[-1].value, floor, self.metric == "accuracy")

    def improves(self, value: float) -> bool:
        """True where this validation is better than the best so far."""
        if not np.isfinite(value):
            return False
        return self.best is None or (value > self.best.value if self.metric == "accuracy" else value < self.best.value)


def below_floor(name: str, value: float, floor: float, higher_is_better: bool = True) -> str:
    """What says that a model's measured value does not reach its floor, "" where it does."""
    if value >= floor if higher_is_better else value <= floor:
        return ""
    return f"{name} {value:.4g} does not reach its floor, {floor:.4g}: more is had without training"


def _short(loss: float) -> str:
    """A loss for people: four decimals, but none of the zeros of a tiny one or a huge one."""
    return f"{loss:.4f}" if loss == 0 or 1e-3 <= abs(loss) < 1e6 else f"{loss:.4g}"


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
