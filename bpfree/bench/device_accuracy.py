# SPDX-License-Identifier: MIT
"""How many steps, or samples, it takes to an accuracy on the digits: ours, and back-propagation's.

Ours are found by the compiled engine, which computes the device's bits. Back-propagation is plain SGD in NumPy.
"""

from __future__ import annotations

import numpy as np

import bpfree as bf
from bpfree import rng
from bpfree.bench.device_cases import Case, mlp
from bpfree.datasets import load_digits

TARGETS = {"to_90": 0.90, "to_95": 0.95}
SEEDS = (9, 10, 11)
"""Seeds of the reported runs; the settings were chosen with others (0 to 8)."""

CHECK = 5
"""Steps between two validations, ours and the rival's: about 1 % of the steps to 90 %."""

BACKPROP = {"batch_size": 1, "lr": 0.05}
"""Settings of back-propagation, tuned like ours among batches of 1 to 16 and lr of 0.02 to 1.2, with seeds 0 to 2."""


def steps_of_training(case: Case, seeds, targets) -> dict[str, list]:
    """Return the steps to each target, one number per seed; None where max_steps are not enough."""
    digits = load_digits()
    found = {target: [] for target in targets}
    for seed in seeds:
        first = {}

        def reached(step, run, first=first):
            if (step + 1) % CHECK == 0:
                note(first, run.validation[-1][1], targets, step + 1)
            return len(first) < len(targets)

        bf.train(
            case.network(seed), digits.train, estimator=case.estimator, update=case.update,
            batch_size=case.batch_size, seed=seed, max_steps=case.max_steps, validation=digits.validation,
            validate_every=CHECK, engine="compiled", progress=False, callbacks=reached,
        )  # fmt: skip
        for target in targets:
            found[target].append(first.get(target))
    return found


def samples_of_backprop(seeds, targets, most: int = 20_000) -> dict[str, list]:
    """Return the samples that back-propagation with SGD takes to each target; weights and order are ours."""
    (x, labels), (x_val, labels_val), _ = load_digits()
    batch, lr, one_hot = BACKPROP["batch_size"], np.float32(BACKPROP["lr"]), np.eye(10, dtype=np.float32)
    found = {target: [] for target in targets}
    for seed in seeds:
        w1, b1, w2, b2 = mlp(seed).parameters().values()
        first = {}
        for step in range(most // batch):
            chosen = rng.batch_indices(seed, step, batch, len(x))
            hidden = np.maximum(x[chosen] @ w1.T + b1, 0)
            scores = np.exp((z := hidden @ w2.T + b2) - z.max(axis=1, keepdims=True))
            dz = (scores / scores.sum(axis=1, keepdims=True) - one_hot[labels[chosen]]) / np.float32(batch)
            dh = dz @ w2 * (hidden > 0)
            w2, b2 = w2 - lr * (dz.T @ hidden), b2 - lr * dz.sum(axis=0)
            w1, b1 = w1 - lr * (dh.T @ x[chosen]), b1 - lr * dh.sum(axis=0)
            if (step + 1) % CHECK == 0:
                predicted = (np.maximum(x_val @ w1.T + b1, 0) @ w2.T + b2).argmax(axis=1)
                note(first, float((predicted == labels_val).mean()), targets, (step + 1) * batch)
                if len(first) == len(targets):
                    break
        for target in targets:
            found[target].append(first.get(target))
    return found


def note(first: dict, accuracy: float, targets, when: int) -> None:
    """Put `when` into `first` for each target that the accuracy reaches and none before did."""
    for target in targets:
        if accuracy >= TARGETS[target]:
            first.setdefault(target, when)
