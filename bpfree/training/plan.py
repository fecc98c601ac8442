# SPDX-License-Identifier: MIT
"""What a run will do, settled and checked before its first step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bpfree import rng
from bpfree.engines.batch import Batch, make_batch
from bpfree.errors import check_count, check_positive
from bpfree.estimators.step import Outcome, standstill
from bpfree.model import Model
from bpfree.trainer import Trainer
from bpfree.training.run import Run

_SPLIT_EPOCH = 2**32 - 1
"""The shuffled order that a validation share is the beginning of: no run walks as many epochs."""


DONE = Outcome("done", "done")


class Budget(NamedTuple):
    """How long a run goes on.

    total: steps that the budgets allow where each costs what it does on average;
    steps, last: most steps that budgets other than forwards allow, None without
    such, and what to say then; forwards: most of them, or None; near: what no step
    costs more than.
    """

    total: int
    steps: int | None
    last: Outcome
    forwards: float | None = None
    near: int = 0


@dataclass(frozen=True)
class Plan:
    """All that the loop goes by."""

    trainer: Trainer
    engine: object
    batch: Batch
    held_out: Batch | None
    budget: Budget
    validate_every: int
    patience: int | None
    callbacks: tuple

    def ended(self, run: Run) -> Outcome | None:
        """Why there is no further step after those the run has done, if so."""
        if still := standstill(run.steps, run.quiet):
            return still
        if self.patience and (looks := _looks_since_best(run)) >= self.patience:
            best = f"the best was {run.best.value:.4f} after step {run.best.step}" if run.best else "none was finite"
            text = f"early stop after step {run.steps}: no better validation {run.metric} in {looks}; {best} (run.best)"
            return Outcome("early_stop", text)
        if self.budget.steps is not None and run.steps >= self.budget.steps:
            return self.budget.last
        return self._forwards_spent(run)

    def _forwards_spent(self, run) -> Outcome | None:
        """What a step costs may depend on what it draws: near the end the next one is looked at before it is made."""
        most = self.budget.forwards
        if most is None or run.forwards + self.budget.near <= most:
            return None
        cost = self.trainer.cost(self.engine, run.steps)
        if run.forwards + cost <= most:
            return None
        spent = f"allows {run.steps:,} steps: {run.forwards:,} forwards, and the next step costs {cost:,}"
        return Outcome("budget", f"budget: max_forwards={most:,.12g} {spent}")


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


def count_steps(trainer: Trainer, n_samples: int, *, epochs, max_steps, max_forwards, max_evaluations) -> Budget:
    """What the budgets come to; whichever is reached first ends the run."""
    limits = []
    if epochs is not None:
        limits.append((check_count("epochs", epochs) * (n_samples // trainer.batch_size), DONE))
    if max_steps is not None:
        limits.append((check_count("max_steps", max_steps), DONE))
    if max_evaluations is not None:
        most, cost = check_positive("max_evaluations", max_evaluations), trainer.evaluations
        allows = f"allows {int(most // cost):,} steps of {cost:,} evaluations each"
        limits.append((int(most // cost), Outcome("budget", f"budget: max_evaluations={most:,.12g} {allows}")))
    steps, last = min(limits, key=lambda limit: limit[0], default=(None, DONE))
    if max_forwards is None:
        if not limits:
            names = "epochs, max_steps, max_forwards, max_evaluations"
            raise TypeError(f"{names}: expected at least one of them, got none")
        return Budget(steps, steps, last)
    most, cost = check_positive("max_forwards", max_forwards), trainer.forwards
    total = int(most // max(1, cost))
    near = max(cost, trainer.evaluations * trainer.batch_size)
    return Budget(total if steps is None else min(total, steps), steps, last, most, near)


def check_patience(patience, validation) -> int | None:
    """An early stop needs something to go by."""
    if patience is None:
        return None
    if check_count("patience", patience) and validation is None:
        raise ValueError("patience: expected validation=(x, y) or a share as well, which is what improves or does not")
    return int(patience)
