# SPDX-License-Identifier: MIT
"""The training loop: probe, evaluate, estimate, update, and write the scalars down."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from bpfree.engines import get_engine
from bpfree.engines.batch import make_batch
from bpfree.errors import check_count
from bpfree.estimators.rge import RGE
from bpfree.journal import Journal
from bpfree.model import Model
from bpfree.progress import training_bar
from bpfree.trainer import Trainer
from bpfree.updates.sgd import SGD


@dataclass
class Run:
    """What training did, and what it cost.

    losses: mean probe loss of every step. validation: (step, accuracy) pairs.
    evaluations: black-box loss calls. forwards: samples passed through the
    network, one pass each. outcome: "done", or what stopped the run, with advice.
    """

    model: Model
    trainer: Trainer
    journal: Journal
    losses: list[float] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    evaluations: int = 0
    forwards: int = 0
    seconds: float = 0.0
    outcome: str = "done"

    @property
    def macs(self) -> int:
        """Multiply-accumulates spent in forward passes."""
        return self.forwards * self.model.macs

    def summary(self) -> str:
        """One paragraph for people."""
        lines = [
            f"steps {len(self.losses)}, loss {self.losses[0]:.4f} -> {self.losses[-1]:.4f}"
            if self.losses
            else "no steps",
            f"forwards {self.forwards:,} ({self.macs:,} MACs), {self.evaluations:,} loss evaluations",
            f"time {self.seconds:.1f} s, theta {self.model.hash}, outcome: {self.outcome}",
        ]
        if self.validation:
            lines.insert(1, f"validation accuracy {self.validation[-1][1]:.4f}")
        return "\n".join(lines)

    def plot(self, path) -> None:
        """Save a picture of loss and validation accuracy against forwards (needs matplotlib)."""
        from bpfree.plots import plot_run

        plot_run(self, path)


def train(
    model: Model,
    data,
    *,
    loss="cross_entropy",
    estimator=None,
    update=None,
    batch_size: int = 32,
    steps: int | None = None,
    epochs: int | None = None,
    validation=None,
    validate_every: int = 500,
    engine=None,
    seed: int = 0,
    progress: bool | None = None,
    callback=None,
) -> Run:
    """Train with forward passes only; the model given is left as it is, the trained one is `run.model`.

    data: (x, y), x (n, features...), y integer labels (n,) or targets (n, outputs).
    estimator, update: such as RGE(n_queries=8), SGD(lr=0.05). Give steps or epochs.
    validation: (x, y) for accuracy every `validate_every` steps. engine:
    "compiled", "reference", "exact"; default: compiled where it is there.
    progress: show a live bar on stderr; default: when that is a terminal.
    callback(step, run) after every step; returning False stops the run.

    A step with a loss that is not finite never updates: the run ends and
    `run.outcome` says what to try.

    >>> import bpfree as bf
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(64, 2)).astype("f4")
    >>> y = (x[:, 0] > 0).astype(int)
    >>> run = bf.train(bf.Sequential(2, [bf.Linear(2)]), (x, y), update=bf.SGD(0.5), steps=50, engine="reference")
    >>> run.model.accuracy(x, y, engine="reference") > 0.9
    True
    """
    if not isinstance(model, Model):
        raise TypeError(f"model: expected a Model, got {model!r}")
    for name, pair in (("data", data), ("validation", (0, 0) if validation is None else validation)):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"{name}: expected a pair (x, y), got {type(pair).__name__}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback: expected a function of (step, run), got {callback!r}")
    check_count("validate_every", validate_every)
    trainer = Trainer(
        model.graph, model.frozen, loss, estimator or RGE(n_queries=8), update or SGD(), batch_size, seed
    )
    batch, engine = make_batch(model.graph, trainer.loss, *data), get_engine(engine)
    if batch_size > len(batch):
        raise ValueError(f"batch_size: expected at most the number of samples {len(batch)}, got {batch_size}")
    if (steps is None) == (epochs is None):
        raise TypeError(f"steps, epochs: expected one of them, got steps={steps!r}, epochs={epochs!r}")
    if epochs is not None:
        steps = check_count("epochs", epochs) * (len(batch) // batch_size)
    total = check_count("steps", steps)
    run = Run(Model(model.graph, model.theta, model.frozen), trainer, Journal(model.hash))
    theta, state = run.model.theta, trainer.update.init(model.theta)
    started = time.perf_counter()
    with training_bar(progress, total) as show:
        for step in range(total):
            samples = batch.take(trainer.indices(step, len(batch)))
            estimate, values = trainer.estimate(engine, theta, samples, step)
            run.evaluations += estimate.n_evaluations
            run.forwards += values.size
            if not estimate.finite:
                run.outcome = f"step {step}: a loss is not finite; nothing was updated: try a smaller lr or mu"
                break
            theta, state = engine.apply(trainer, theta, state, step, estimate.coefficients)
            run.model.theta = theta
            run.losses.append(float(values.mean()))
            run.journal.append(estimate.coefficients)
            if validation is not None and ((step + 1) % validate_every == 0 or step + 1 == total):
                run.validation.append((step + 1, run.model.accuracy(*validation, engine)))
            run.seconds = time.perf_counter() - started
            show(run)
            if callback is not None and callback(step, run) is False:
                run.outcome = f"stopped by the callback after step {step}"
                break
    return run


