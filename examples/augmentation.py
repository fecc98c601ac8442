# SPDX-License-Identifier: MIT
"""Data that is made on the way: handwritten digits, every time somewhere else.

A scan is rarely centred. The network below is trained once on the digits as they
are, and once on minibatches in which each image is moved by up to one pixel in both
directions, anew in every step; both are then shown moved images. The minibatch
is a function of (step, rng), so the run can be resumed from a checkpoint, and its
last third, with a smaller learning rate, goes on with Adam's moments where the
first two left off.

Run it with `python examples/augmentation.py`; it takes some seconds.
"""

from __future__ import annotations

import numpy as np

import bpfree as bf
from bpfree.datasets import load_digits

BATCH = 64
STEPS = (400, 200)
SETTINGS = {"estimator": bf.UnitWise(), "seed": 1}


def moved(images, rng):
    """Images (n, 64), each moved by -1, 0 or 1 pixel along both axes; what enters is blank."""
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    down, right = rng.integers(0, 3, (2, len(images), 1))
    rows, columns = down + np.arange(8), right + np.arange(8)
    return padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]].reshape(-1, 64)


def batches_of(split):
    """The function of (step, rng) that makes the minibatch of a step."""

    def minibatch(step, rng):
        chosen = rng.integers(0, len(split.x), BATCH)
        return moved(split.x[chosen], rng), split.labels[chosen]

    return minibatch


def train(**data):
    """Both parts of the training: first with lr 0.02, then on with the same moments and lr 0.002."""
    model = bf.Sequential(64, [bf.Linear(48), bf.ReLU(), bf.Linear(10)], seed=0)
    first = bf.train(model, **data, update=bf.Adam(0.02), max_steps=STEPS[0], **SETTINGS)
    return bf.train(
        first.model, **data, update=bf.Adam(0.002), max_steps=STEPS[1], **SETTINGS,
        state=first.state, first_step=first.next_step,
    )  # fmt: skip


def main() -> tuple[float, float]:
    """Train both, and print and return their accuracy on moved images."""
    training, _, test = load_digits()
    shown = moved(test.x, np.random.default_rng(0)), test.labels
    plain = train(data=training, batch_size=BATCH)
    augmented = train(batches=batches_of(training))
    print(augmented.summary(), end="\n\n")
    accuracies = plain.model.accuracy(*shown), augmented.model.accuracy(*shown)
    for name, run, accuracy in zip(("as they are", "moved"), (plain, augmented), accuracies, strict=True):
        straight = run.model.accuracy(*test)
        print(f"trained on digits {name:12} test accuracy {straight:.1%}, of moved digits {accuracy:.1%}")
    return accuracies


if __name__ == "__main__":
    main()
