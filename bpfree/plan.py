# SPDX-License-Identifier: MIT
"""What a run will do, settled and checked before its first step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bpfree import rng
from bpfree.engines.batch import Batch, make_batch
from bpfree.errors import check_count, check_positive
from bpfree.estimators.table import QUIET_STEPS
from bpfree.model import Model
from bpfree.run import Run
from bpfree.trainer import Trainer

_SPLIT_EPOCH = 2**32 - 1
"""The shuffled order that a validation share is the beginning of: no run walks as many epochs."""


class End(NamedTuple):
    """Why a run ends: one of OUTCOMES, and the same for people."""

    code: str
    text: str


DONE = End("done", "done")


@dataclass(frozen=True)
class Plan:
    """All that the loop goes by. total: steps that the budgets allow; last: why there are no more."""

    trainer: Trainer
    engine: object
    batch: Batch
    held_out: Batch | None
    total: int
    last: End
    validate_every: int
    patience: int | None
    callbacks: tuple

    def ended(self, run: Run) -> End | None:
        """Why there is no further step after those the run has done, if so."""
        if run.quiet >= QUIET_STEPS:
            what = f"no probe changed the loss for {run.quiet} steps: try a larger mu"
            return End("mu_too_small", f"step {run.steps - 1}: {what}")
        if self.patience and (looks := _looks_since_best(run)) >= self.patience:
            best = f"the best was {run.best.value:.4f} after step {run.best.step}" if run.best else "none was finite"
            text = f"early stop after step {run.steps}: no better validation {run.metric} in {looks}; {best} (run.best)"
            return End("early_stop", text)
        return self.last if run.steps >= self.total else None


def _looks_since_best(run) -> int:
    return sum(row.step > (run.best.step if run.best else 0) for row in run.history)


def check_start(model, data, validation) -> None:
    """The model to start from, and what kinds of things data and validation are."""
    if not isinstance(model, Model):
        raise TypeError(f"model: expected a Model, got {model!r}")
    _check_pair("data", data)
    if validation is not None and not _is_share(validation):
        _check_pair("validation", validation)
    if not np.isfinite(model.theta).all():
        raise ValueError("model: expected finite parameters to start from, got some that are not")


def _is_share(validation) -> bool:
    return isinstance(validation, float | np.floating)


def _check_pair(name, pair) -> None:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        share = ", or a share in (0, 1)" if name == "validation" else ""
        raise TypeError(f"{name}: expected a pair (x, y){share}, got {type(pair).__name__}")


def split(trainer: Trainer, data, validation) -> tuple[Batch, Batch | None]:
    """Samples to train on, and those held out: given, or a share of the data drawn by the run's seed."""
    batch = make_batch(trainer.graph, trainer.loss, *data)
    held_out = None
    if _is_share(validation):
        batch, held_out = _split_off(batch, float(validation), trainer.seed)
    elif validation is not None:
        held_out = make_batch(trainer.graph, trainer.loss, *validation)
    if trainer.batch_size > len(batch):
        left = " left to train on" if _is_share(validation) else ""
        expected = f"at most the number of samples{left} {len(batch)}"
        raise ValueError(f"batch_size: expected {expected}, got {trainer.batch_size}")
    return batch, held_out


def _split_off(batch, share, seed):
    """The first round(share n) of a shuffled order, at least one, are held out; both parts keep the given order."""
    if not 0.0 < share < 1.0:
        raise ValueError(f"validation: expected a share in (0, 1), got {share}")
    n = len(batch)
    count = max(1, round(share * n))
    if count >= n:
        raise ValueError(f"validation: expected a share that leaves samples to train on, got {share} of {n}")
    order = rng.shuffle(seed, _SPLIT_EPOCH, n, np.arange(n))
    return batch.take(np.sort(order[count:])), batch.take(np.sort(order[:count]))


def count_steps(trainer: Trainer, n_samples: int, *, epochs, max_steps, max_forwards, max_evaluations):
    """(steps, End): how many the first budget to be reached allows, and what to say then."""
    limits = []
    if epochs is not None:
        limits.append((check_count("epochs", epochs) * (n_samples // trainer.batch_size), DONE))
    if max_steps is not None:
        limits.append((check_count("max_steps", max_steps), DONE))
    costs = (
        ("forwards", max_forwards, trainer.forwards),
        ("evaluations", max_evaluations, trainer.evaluations),
    )
    for unit, most, cost in costs:
        if most is not None:
            steps = int(check_positive(f"max_{unit}", most) // cost)
            reached = f"budget: max_{unit}={most:,.12g} allows {steps:,} steps of {cost:,} {unit} each"
            limits.append((steps, End("budget", reached)))
    if not limits:
        raise TypeError("epochs, max_steps, max_forwards, max_evaluations: expected at least one of them, got none")
    return min(limits, key=lambda limit: limit[0])


def check_patience(patience, validation) -> int | None:
    """An early stop needs something to go by."""
    if patience is None:
        return None
    if check_count("patience", patience) and validation is None:
        raise ValueError("patience: expected validation=(x, y) or a share as well, which is what improves or does not")
    return int(patience)
