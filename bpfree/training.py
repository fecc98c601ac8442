# SPDX-License-Identifier: MIT
"""The training loop: probe, evaluate, estimate, update, and write the scalars down."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from bpfree.engines import get_engine
from bpfree.engines.batch import make_batch
from bpfree.errors import check_count
from bpfree.estimators.rge import RGE
from bpfree.journal import Journal
from bpfree.model import Model
from bpfree.probes import Probe
from bpfree.progress import training_bar
from bpfree.trainer import Trainer
from bpfree.updates.sgd import SGD

_QUIET_STEPS = 10
"""Steps in a row without any difference of losses after which mu is below float resolution."""


@dataclass
class Run:
    """What training did, and what it cost.

    losses: mean probe loss of every step. validation: (step, value) pairs,
    value being the accuracy, or for losses without labels the mean loss (`metric`).
    evaluations: black-box loss calls. forwards: samples passed through the
    network, one pass each. outcome: "done", or what stopped the run, with advice.

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
    validation: list[tuple[int, float]] = field(default_factory=list)
    evaluations: int = 0
    forwards: int = 0
    seconds: float = 0.0
    outcome: str = "done"

    @property
    def macs(self) -> int:
        """Multiply-accumulates spent in forward passes."""
        return self.forwards * self.model.macs

    @property
    def metric(self) -> str:
        """What `validation` measures."""
        return "accuracy" if self.trainer.loss.labels else "loss"

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
            step, value = self.validation[-1]
            lines.insert(1, f"validation {self.metric} {value:.4f} after step {step}")
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
    max_steps: int | None = None,
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
    estimator, update: such as RGE(n_queries=8), SGD(lr=0.05). Give max_steps or epochs.
    validation: (x, y), looked at every `validate_every` steps and at the end. engine:
    "compiled", "reference", "exact"; default: compiled where it is there.
    progress: show a live bar on stderr; default: when that is a terminal.
    callback(step, run) after every step; returning False stops the run.

    Numeric failure is a result: the run ends, `run.model` keeps the last finite
    theta, and `run.outcome` says what to try. To go on from `run.model` give
    another seed: with the same one a run walks the same minibatches and
    directions again, and the update's state starts anew.

    >>> import bpfree as bf
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(64, 2)).astype("f4")
    >>> y = (x[:, 0] > 0).astype(int)
    >>> run = bf.train(bf.Sequential(2, [bf.Linear(2)]), (x, y), update=bf.SGD(0.5), max_steps=50, engine="reference")
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
        model.graph,
        model.frozen,
        loss,
        RGE(n_queries=8) if estimator is None else estimator,
        SGD() if update is None else update,
        batch_size,
        seed,
    )
    batch, engine = make_batch(model.graph, trainer.loss, *data), get_engine(engine)
    if batch_size > len(batch):
        raise ValueError(f"batch_size: expected at most the number of samples {len(batch)}, got {batch_size}")
    if (max_steps is None) == (epochs is None):
        raise TypeError(f"max_steps, epochs: expected one of them, got max_steps={max_steps!r}, epochs={epochs!r}")
    if epochs is not None:
        max_steps = check_count("epochs", epochs) * (len(batch) // batch_size)
    total = check_count("max_steps", max_steps)
    if not np.isfinite(model.theta).all():
        raise ValueError("model: expected finite parameters to start from, got some that are not")
    held_out = None if validation is None else make_batch(model.graph, trainer.loss, *validation)
    run = Run(Model(model.graph, model.theta, model.frozen), trainer, Journal(model.hash, trainer.fingerprint()))
    state, quiet = trainer.update.init(model.theta), 0
    started = time.perf_counter()
    with training_bar(progress, total) as show:
        for step in range(total):
            samples = batch.take(trainer.indices(step, len(batch)))
            estimate, values = trainer.estimate(engine, run.model.theta, samples, step)
            run.evaluations += estimate.n_evaluations
            run.forwards += values.size
            if not estimate.finite:
                run.outcome = f"step {step}: a loss is not finite; nothing was updated: try a smaller lr or mu"
                break
            record = estimate.coefficients.astype(np.float32)
            theta, state = engine.apply(trainer, run.model.theta, state, step, record)
            if not np.isfinite(theta).all():
                run.outcome = f"step {step}: the update overflows; it was not made: try a smaller lr, or clip"
                break
            run.model.theta = theta
            run.losses.append(float(values.mean()))
            run.journal.append(record)
            run.seconds = time.perf_counter() - started
            if held_out is not None and ((step + 1) % validate_every == 0 or step + 1 == total):
                run.validation.append((step + 1, validate(run, engine, held_out)))
            show(run)
            quiet = 0 if record.any() else quiet + 1
            if quiet == _QUIET_STEPS:
                run.outcome = f"step {step}: no probe changed the loss for {quiet} steps: try a larger mu"
                break
            if callback is not None and callback(step, run) is False:
                run.outcome = f"stopped by the callback after step {step}"
                break
    return run


def validate(run: Run, engine, batch) -> float:
    """The run's metric on a batch: accuracy, or the mean loss where there are no labels."""
    graph, theta, frozen = run.model.graph, run.model.theta, run.model.frozen
    if run.metric == "accuracy":
        return float((engine.predict(graph, theta, frozen, batch.x).argmax(axis=1) == batch.labels).mean())
    at_theta = Probe(run.trainer.seed, 0, 0, 0.0, 0, 0)
    return float(engine.evaluate(graph, theta, frozen, batch, run.trainer.loss, [at_theta]).mean())
