# SPDX-License-Identifier: MIT
"""Compares forward-only methods with back-propagation on one network and one data set.

All methods start from the same weights, see the same minibatches in the same
order, and have one thread. Their settings are chosen on the validation split
with other seeds. Back-propagation is PyTorch's, with Adam.

The metrics of each method are means over the seeds:

- `test_accuracy`, `validation_accuracy`: at the end of training; neither split is trained on.
- `seconds`: time of training, without loading and checking the data and without evaluation.
- `forwards`, `evaluations`: as `Run` counts them. Their reference names the
  tier, which says how much of the network the method has access to.
  Those of back-propagation are the products of a pass and of its way back, by
  the same rule (`backprop_macs`); its reference names the contraction of the tensor trains.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np

from bpfree import rng
from bpfree.bench.rows import THREADS, missing, row
from bpfree.datasets import load_mnist
from bpfree.datasets.samples import Splits
from bpfree.engines import CompiledEngine
from bpfree.engines.cost import backprop_macs, graph_macs
from bpfree.model import Model
from bpfree.schedules.cosine_decay import cosine_decay
from bpfree.screen.progress import live_bar
from bpfree.study.floors import random_features_floor
from bpfree.study.heads import solving_macs
from bpfree.training.loop import train
from bpfree.updates.adam import Adam

SEEDS = (1, 2, 3)
"""Seeds of the reported runs; settings were chosen with others (100 and up)."""

QUICK_STEPS, QUICK_BATCH, QUICK_SAMPLES = 4, 20, 1000
"""Steps, batch size and samples of --quick, which shows that everything runs; its accuracies mean nothing."""

UNITS = {"test_accuracy": "", "validation_accuracy": "", "seconds": "s", "forwards": "", "evaluations": ""}
"""Units of the metrics."""

COMPARED = ("test_accuracy", "validation_accuracy", "seconds")
"""The metrics with a ratio to back-propagation's."""


@dataclass(frozen=True)
class Recipe:
    """Length and learning rate of a run: the rate of the update falls from lr to 0 along half a cosine."""

    batch_size: int
    lr: float
    epochs: int
    update: Callable = Adam

    def steps(self, n_samples: int) -> int:
        """Return the number of steps of a run on n_samples samples."""
        return self.epochs * (n_samples // self.batch_size)

    def rate(self, steps: int):
        """Return the schedule of the learning rate."""
        return cosine_decay(self.lr, steps=steps)


def with_blas() -> CompiledEngine:
    """Return the fastest engine for layer access, which multiplies with BLAS, as the rival does."""
    return CompiledEngine(blas=True)


@dataclass(frozen=True)
class Method:
    """One method of the table.

    recipe: None for that of back-propagation.
    engine: a function that makes an engine; None for the default one.
    """

    name: str
    estimator: object
    recipe: Recipe | None = None
    engine: Callable[[], object] | None = None

    @property
    def tier(self) -> str:
        """How much of the network the method has access to."""
        return self.estimator.row.tier


@dataclass(frozen=True)
class Contest:
    """A benchmark: its network as a function of the seed, the recipe of back-propagation, and the methods.

    best, black_box: names of the best forward-only method and of the best
    black-box method, chosen on the validation split.
    """

    bench: str
    network: Callable[[int], Model]
    recipe: Recipe
    methods: tuple[Method, ...]
    best: str
    black_box: str | None = None


def run_contest(contest: Contest, quick: bool = False) -> list[dict]:
    """Run a contest and return its rows. quick: one seed, and a few steps on a few samples."""
    splits, seeds = load_mnist(), SEEDS
    if quick:
        splits, seeds = Splits(*(part.part(0, QUICK_SAMPLES) for part in splits)), SEEDS[:1]
    found = {}
    with pinned_threads(), _Progress(contest, len(splits.train.x), seeds, quick) as progress:
        try:
            from bpfree.bench.backprop import Backprop
        except ImportError as error:
            found["backprop"] = f"missing: {error.name}"
        else:
            found["backprop"] = [_rival(Backprop, contest, splits, seed, quick, progress) for seed in seeds]
        for method in contest.methods:
            found[method.name] = [_ours(method, contest, splits, seed, quick, progress) for seed in seeds]
        floor = _floor(contest, splits, seeds)
    return _rows(contest, found) + _case_rows(contest.bench, f"{contest.bench}/floor", "closed-form", floor, None)


@contextmanager
def pinned_threads(threads: int = THREADS):
    """Limit BLAS and PyTorch to this number of threads, and restore their limits afterwards."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        try:
            import torch
        except ImportError:
            yield
            return
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _settings(recipe: Recipe, n_samples: int, quick: bool) -> tuple[int, int]:
    """Return (batch size, steps) of a run."""
    return (QUICK_BATCH, QUICK_STEPS) if quick else (recipe.batch_size, recipe.steps(n_samples))


def _rival(backprop, contest, splits, seed, quick, progress) -> dict:
    """Run back-propagation once; return the value of each metric."""
    n, recipe = len(splits.train.x), contest.recipe
    batch, steps = _settings(recipe, n, quick)
    schedule = recipe.rate(steps)
    order = np.stack([rng.batch_indices(seed, step, batch, n) for step in range(steps)])
    rates = np.array([schedule.value(step) for step in range(steps)])
    model, report = contest.network(seed), progress.run("backprop", seed, steps)
    rival = backprop(model, batch)
    seconds = rival.train(splits.train, order, rates, report)
    forwards = round(batch * steps * backprop_macs(model.graph) / graph_macs(model.graph))
    spent = {"seconds": seconds, "forwards": forwards, "ways": rival.ways}
    return {**_accuracies(rival.model(), splits), **spent}


def _ours(method, contest, splits, seed, quick, progress) -> dict | str:
    """Run a method once; return the value of each metric, or the reason why there is none."""
    recipe = method.recipe or contest.recipe
    batch, steps = _settings(recipe, len(splits.train.x), quick)
    report = progress.run(method.name, seed, steps)
    run = train(
        contest.network(seed), splits.train, estimator=method.estimator, update=recipe.update(recipe.rate(steps)),
        batch_size=batch, max_steps=steps, seed=seed, engine=method.engine and method.engine(), progress=False,
        callbacks=lambda step, run: report(step, run.losses[-1]),
    )  # fmt: skip
    if run.outcome_code != "done":
        return f"seed {seed}: {run.outcome}"
    spent = {"seconds": run.seconds, "forwards": run.forwards, "evaluations": run.evaluations}
    return {**_accuracies(run.model, splits), **spent}


def _floor(contest, splits, seeds) -> list[dict]:
    """Return the metrics, by seed, of untrained features with a last layer solved in closed form."""
    values = []
    for seed in seeds:
        began, model = time.perf_counter(), contest.network(seed)
        floor = random_features_floor(model, splits.train, splits.test, validation=splits.validation)
        seconds = time.perf_counter() - began
        spent = solving_macs(model.graph, len(splits.train.x)) / graph_macs(model.graph)
        values.append({"test_accuracy": floor.accuracy, "seconds": seconds, "forwards": round(spent)})
    return values


def _accuracies(model: Model, splits) -> dict:
    return {f"{name}_accuracy": model.accuracy(*getattr(splits, name)) for name in ("test", "validation")}


def _rows(contest: Contest, found: dict) -> list[dict]:
    """Return the rows: the best method as the bare case, the best black-box one as its own case, and all by name."""
    bench, rival = contest.bench, found["backprop"]
    ways = "" if isinstance(rival, str) else " or ".join(sorted({value["ways"] for value in rival}))
    tiers = {"backprop": f"back-propagation ({ways})", **{method.name: method.tier for method in contest.methods}}
    rows = []
    for case, name in {bench: contest.best, "black-box": contest.black_box}.items():
        if name is not None:
            rows += _case_rows(bench, case, f"{name}, {tiers[name]}", found[name], rival)
    for name, values in found.items():
        rows += _case_rows(bench, f"{bench}/{name}", tiers[name], values, None if name == "backprop" else rival)
    return rows


def _case_rows(bench, case, tier, values, rival) -> list[dict]:
    """Return a row for each metric: mean, ratio to back-propagation, standard deviation over the seeds."""
    failures = [values] if isinstance(values, str) else [value for value in values if isinstance(value, str)]
    if failures:
        return [missing(bench, case, metric, UNITS[metric], failures[0]) for metric in COMPARED]
    rows = []
    for metric in (metric for metric in UNITS if metric in values[0]):
        numbers = [value[metric] for value in values]
        reference = ratio = None
        if metric not in COMPARED:
            reference = tier
        elif rival is not None and not isinstance(rival, str):
            reference, ratio = f"{bench}/backprop", mean(numbers) / mean(value[metric] for value in rival)
        std = stdev(numbers) if len(numbers) > 1 else None
        rows.append(row(bench, case, metric, mean(numbers), UNITS[metric], reference, ratio, len(numbers), std))
    return rows


class _Progress:
    """One progress bar over all steps of all runs, refreshed twice a second so that it does not disturb the timing."""

    def __init__(self, contest: Contest, n_samples: int, seeds, quick: bool):
        recipes = [contest.recipe, *(method.recipe or contest.recipe for method in contest.methods)]
        total = len(seeds) * sum(_settings(recipe, n_samples, quick)[1] for recipe in recipes)
        self._bar, self._done, self._shown = live_bar(total, contest.bench), 0, 0.0

    def __enter__(self):
        self._update = self._bar.__enter__()
        return self

    def __exit__(self, *error):
        return self._bar.__exit__(*error)

    def run(self, name: str, seed: int, steps: int) -> Callable:
        """Return the function report(step, loss) of one run."""
        first, self._done = self._done, self._done + steps

        def report(step, loss):
            now = time.perf_counter()
            if now - self._shown > 0.5:
                self._shown = now
                self._update(first + step + 1, f"{name}, seed {seed}, loss {float(loss):.4f}")

        return report
