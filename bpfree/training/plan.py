# SPDX-License-Identifier: MIT
"""What a run will do, settled and checked before its first step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bpfree import rng
from bpfree.engines.batch import Batch, make_batch
from bpfree.errors import check_count, check_positive, check_seed
from bpfree.estimators.step import MOST_SKIPPED, Outcome
from bpfree.model import Model
from bpfree.trainer import Trainer
from bpfree.training.divergence import why_ended
from bpfree.training.feeds import InMemory, make_feed
from bpfree.training.run import Run

BATCH_SIZE = 32
"""Samples of a step, unless the user says another number."""

_SPLIT_EPOCH = 2**32 - 1
"""The shuffled order that a validation share is the beginning of: no run walks as many epochs."""

_LAST_STEP = 2**32 - 1
"""The largest number that `next_step` can be."""

DONE = Outcome("done", "done")


class Budget(NamedTuple):
    """How long a run goes on.

    total: steps that the budgets allow where each costs what it does on average, None without any;
    steps, last: most steps that budgets other than forwards allow, None without
    such, and what to say then; forwards: most of them, or None; near: what no step
    costs more than.
    """

    total: int | None
    steps: int | None
    last: Outcome
    forwards: float | None = None
    near: int = 0


@dataclass(frozen=True)
class Plan:
    """All that the loop goes by; start: the model that the run begins with."""

    start: Model
    trainer: Trainer
    engine: object
    feed: object
    held_out: Batch | None
    budget: Budget
    validate_every: int
    patience: int | None
    callbacks: tuple

    def ended(self, run: Run) -> Outcome | None:
        """Why there is no further step after those the run has done, if so."""
        if end := why_ended(run):
            return end
        if self.patience and (looks := _looks_since_best(run)) >= self.patience:
            at, best = run.next_step, "none was finite"
            if run.best:
                best = f"the best was {run.best.value:.4f} after step {run.best.step}"
            text = f"early stop after step {at}: no better validation {run.metric} in {looks}; {best} (run.best)"
            return Outcome("early_stop", text)
        if self.budget.steps is not None and run.steps >= self.budget.steps:
            return self.budget.last
        return self._forwards_spent(run)

    def may_skip(self, run: Run, skipped: int) -> bool:
        """Return whether another step may be tried, where so many, the last in a row, could not be made."""
        left = self.budget.steps is None or run.steps + skipped < self.budget.steps
        return left and skipped < MOST_SKIPPED

    def _forwards_spent(self, run) -> Outcome | None:
        """What a step costs may depend on what it draws: near the end the next one is looked at before it is made."""
        most = self.budget.forwards
        if most is None or run.forwards + self.budget.near <= most:
            return None
        cost = self.trainer.cost(self.engine, run.next_step)
        if run.forwards + cost <= most:
            return None
        spent = f"allows {run.steps:,} steps: {run.forwards:,} forwards, and the next step costs {cost:,}"
        return Outcome("budget", f"budget: max_forwards={most:,.12g} {spent}")


def _looks_since_best(run) -> int:
    return sum(row.step > (run.best.step if run.best else 0) for row in run.history)


def check_start(model, data, validation, batches=None) -> None:
    """The model to start from, and what kinds of things data, or batches, and validation are."""
    if not isinstance(model, Model):
        raise TypeError(f"model: expected a Model, got {model!r}")
    if batches is None:
        _check_pair("data", data)
    elif data is not None:
        raise TypeError("data: expected None with batches=, which takes its place, got both")
    elif _is_share(validation):
        expected = "samples (x, y) with batches=, of which no share can be kept"
        raise TypeError(f"validation: expected {expected}, got {validation}")
    if validation is not None and not _is_share(validation):
        _check_pair("validation", validation)
    model.check_finite()


def _is_share(validation) -> bool:
    return isinstance(validation, float | np.floating)


def _check_pair(name, pair) -> None:
    if not isinstance(pair, (tuple, list)) or len(pair) not in (2, 3):
        share = ", or a share in (0, 1)" if name == "validation" else ""
        raise TypeError(f"{name}: expected a pair (x, y), or (x, y, w){share}, got {type(pair).__name__}")


def open_feed(graph, loss, data, batches, validation, batch_size, seed: int, first_step: int):
    """The feed of data or batches, and the samples to look at or None."""
    check_seed(seed)
    if batches is None:
        size = check_count("batch_size", BATCH_SIZE if batch_size is None else batch_size, 1, 2**24)
        samples, held_out = split(graph, loss, data, validation, size, seed)
        return InMemory(samples, size, seed), held_out
    if batch_size is not None:
        raise ValueError(f"batch_size: expected None with batches=, which have their own, got {batch_size}")
    return make_feed(graph, loss, batches, seed, first_step), _validation(graph, loss, validation)


def check_feed(feed, checkpoint) -> None:
    """An iterator cannot be resumed, and a function without a name is not known again."""
    if checkpoint is not None and "<lambda>" in feed.source:
        expected = "batches of a function that has a name, which a checkpoint knows it by"
        raise ValueError(f"checkpoint: expected {expected}, got {feed.source}: define it by def")
    if not feed.resumes and checkpoint is not None:
        ways = "give a function of (step, rng), which makes the batch of any step again"
        raise ValueError(f"checkpoint: expected None with an iterator, which cannot go back, got {checkpoint}: {ways}")


def check_weighs(engine, *batches) -> None:
    """Weights are for engines that multiply losses by them; batches may be None."""
    weighted = any(batch is not None and batch.weights is not None for batch in batches)
    if weighted and not getattr(engine, "weighs", False):
        expected = "one with weighs = True, whose evaluate gives batch.weighed(losses)"
        raise TypeError(f"engine: expected {expected}, as samples have weights, got {engine!r}")


def split(graph, loss, data, validation, batch_size: int, seed: int) -> tuple[Batch, Batch | None]:
    """Samples to train on, and those held out: given, or a share of the data drawn by the run's seed.

    The weights of either, where they have some, have the mean 1.
    """
    batch = make_batch(graph, loss, *data)
    if _is_share(validation):
        batch, held_out = _split_off(batch, float(validation), seed)
        held_out = held_out.with_mean_weight_1("validation")
    else:
        held_out = _validation(graph, loss, validation)
    if batch_size > len(batch):
        left = " left to train on" if _is_share(validation) else ""
        expected = f"at most the number of samples{left} {len(batch)}"
        raise ValueError(f"batch_size: expected {expected}, got {batch_size}")
    return batch.with_mean_weight_1("data"), held_out


def _validation(graph, loss, validation) -> Batch | None:
    """Samples (x, y) or (x, y, w) to look at, whose weights have the mean 1; None for None."""
    if validation is None:
        return None
    return make_batch(graph, loss, *validation).with_mean_weight_1("validation")


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


def count_steps(
    trainer: Trainer, n_samples: int | None, *, epochs, max_steps, max_forwards, max_evaluations, endless: bool = True
) -> Budget:
    """What the budgets come to; whichever is reached first ends the run.

    n_samples: of an epoch; None where there is no such thing. endless: does nothing but a budget end the run?
    """
    limits = []
    if epochs is not None and n_samples is None:
        raise ValueError(f"epochs: expected None with batches=, which have none: give max_steps, got {epochs}")
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
        if not limits and endless:
            names = ("epochs, " if n_samples is not None else "") + "max_steps, max_forwards, max_evaluations"
            raise TypeError(f"{names}: expected at least one of them, got none")
        return Budget(steps, steps, last)
    most, cost = check_positive("max_forwards", max_forwards), trainer.forwards
    total = int(most // max(1, cost))
    near = max(cost, trainer.evaluations * trainer.batch_size)
    return Budget(total if steps is None else min(total, steps), steps, last, most, near)


def check_last_step(first_step: int, budget: Budget) -> None:
    """Steps are numbered by 32 bits, in journals and in addresses of random numbers."""
    if budget.last is DONE and budget.steps is not None and first_step + budget.steps > _LAST_STEP:
        expected = f"at most {_LAST_STEP} less the {budget.steps:,} steps that max_steps or epochs ask for"
        raise ValueError(f"first_step: expected {expected}, got {first_step}: begin at 0 with another seed")


def check_patience(patience, validation) -> int | None:
    """An early stop needs something to go by."""
    if patience is None:
        return None
    if check_count("patience", patience) and validation is None:
        raise ValueError("patience: expected validation=(x, y) or a share as well, which is what improves or does not")
    return int(patience)
