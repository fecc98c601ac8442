# SPDX-License-Identifier: MIT
"""An update of your own: Lion, the sign of a mean of gradients (Chen et al., 2023).

    theta <- theta - lr sign(beta1 m + (1 - beta1) g),   m <- beta2 m + (1 - beta2) g

It keeps one vector beside theta. It stands in a chain, has a schedule, and is journaled
and replayed as the built-in updates are.

Run it with `python examples/own_update.py`; it takes a few seconds. On the command line:
`bpfree train digits --rows examples/own_update.py --update Lion --lr 0.001`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import bpfree as bf
from bpfree.datasets import load_digits


@dataclass(frozen=True)
class Lion(bf.Update, name="lion"):
    """Settings are the fields; `transform` works on blocks of theta, element by element, and steps by `start_lr`."""

    lr: float | bf.Schedule = 1e-3
    beta1: float = 0.9
    beta2: float = 0.99

    n_vectors = 1  # arrays like theta in the state, zeros at first

    def transform(self, gradient, state, theta):
        """Return what is subtracted from theta, and the state after it."""
        real, (m,) = theta.dtype.type, state
        mean = real(self.beta1) * m + real(1 - self.beta1) * gradient
        kept = real(self.beta2) * m + real(1 - self.beta2) * gradient
        return real(self.start_lr) * np.sign(mean), [kept]


def main(epochs=6):
    """Train the digits by it and by Adam; replay its journal; print the accuracies and return them."""
    digits = load_digits()
    model = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)])
    journal, reached = Path(tempfile.mkdtemp()) / "run.journal", {}
    for update, files in ((bf.chain(bf.WeightDecay(1e-4), Lion(0.003)), {"journal": journal}), (bf.Adam(0.005), {})):
        run = bf.train(
            model, digits.train, estimator=bf.RGE(n_queries=16), update=update, batch_size=32, epochs=epochs, **files
        )
        name = "Lion" if files else "Adam"
        reached[name] = run.model.accuracy(*digits.validation)
        print(f"{update}\n{run.summary()}\naccuracy {reached[name]:.1%}\n")
        if files:
            equal = bf.theta_hash(bf.replay(journal, model, rows=[Lion])) == run.model.hash
            print(f"replayed from {journal.stat().st_size:,} bytes, equal bits: {equal}\n")
    return reached


if __name__ == "__main__":
    main()
