# SPDX-License-Identifier: MIT
"""Measures the loss, accuracy and confusion of a model on samples, and what needs no training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.cli.commands import usage
from bpfree.engines.batch import make_batch
from bpfree.engines.classes import NONE, predicted
from bpfree.engines.probes import AT_THETA
from bpfree.graph.layers import initial_parameters
from bpfree.losses import get_loss
from bpfree.model import Model
from bpfree.screen.progress import live_bar
from bpfree.study.floors import random_features_floor

_CHUNK = 4096
"""Samples evaluated at a time: the activations of all of MNIST would take gigabytes in NumPy."""

_QUICK = 20_000
"""Number of samples up to which evaluation ends too soon for a progress bar."""


@dataclass(frozen=True)
class Measured:
    """Number of samples and mean loss; for classes also the accuracy and the counts confusion[true, predicted].

    unknown: samples with an output that is NaN, which are in no column; the accuracy is NaN then.
    """

    samples: int
    loss: float
    accuracy: float | None = None
    confusion: np.ndarray | None = None
    unknown: int = 0

    def document(self) -> dict:
        """Return the numbers for the JSON document."""
        return {"samples": self.samples, "accuracy": self.accuracy, "loss": self.loss}

    def __str__(self) -> str:
        loss = f"loss {self.loss:.4f}"
        return loss if self.accuracy is None else f"accuracy {self.accuracy:.2%}, {loss}"


def measure(model, split, loss, engine, name: str = "") -> Measured:
    """Measure a model on the split (x, y) with the loss of this name; `name` labels the progress bar."""
    loss, graph = get_loss(loss), model.graph
    with usage(x="data", y="data"):
        model.check_finite()
        batch = make_batch(graph, loss, *split)
    total, confusion = 0.0, np.zeros((graph.output.size, graph.output.size), np.int64)
    with live_bar(len(batch), name or "evaluating", None if len(batch) > _QUICK else False) as update:
        for start in range(0, len(batch), _CHUNK):
            part = batch.take(slice(start, start + _CHUNK))
            values, _ = engine.evaluate(graph, model.theta, model.frozen, part, loss, [AT_THETA])
            total += float(values.sum(dtype=np.float64))
            if loss.labels:
                classes = predicted(engine.predict(graph, model.theta, model.frozen, part.x))
                known = classes != NONE
                np.add.at(confusion, (part.labels[known], classes[known]), 1)
            update(start + len(part))
    n = len(batch)
    if not loss.labels:
        return Measured(n, total / n)
    unknown = n - int(confusion.sum())
    return Measured(n, total / n, float("nan") if unknown else float(np.trace(confusion) / n), confusion, unknown)


def floor_of(graph, data, seed: int) -> dict:
    """Return {accuracy, split} of the network untrained, its last layer solved for, or {reason} where there is none."""
    splits = data.splits
    if not data.labels:
        return {"reason": "for classes only"}
    if "validation" not in splits:
        return {"reason": "a floor needs a validation split"}
    untrained = Model(graph, *initial_parameters(graph, seed))
    split = "test" if "test" in splits else "validation"
    try:
        found = random_features_floor(untrained, splits["train"], splits[split], validation=splits["validation"])
    except ValueError as error:
        return {"reason": f"none for this network: {error}"}
    return {"accuracy": found.accuracy, "split": split}
