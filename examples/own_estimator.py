# SPDX-License-Identifier: MIT
"""An estimator of your own: random directions in one parameter tensor at a time.

A step moves only one tensor, so that its directions have fewer dimensions and its probes
run only the layers behind it. All that has to be said is where the losses are wanted;
the gradient, the journal and ask/tell come with `bf.Differences`.

Run it with `python examples/own_estimator.py`; it takes a few seconds.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import bpfree as bf
from bpfree.datasets import load_digits


@dataclass(frozen=True)
class OneTensor(bf.Differences, name="one_tensor"):
    """q random signs in the tensor whose turn it is; the mean over them, as in RGE."""

    n_queries: int = 16
    mu: float = 2.0**-7

    @property
    def averaged(self):
        """Return how many directions the mean is taken of."""
        return self.n_queries

    def points(self, graph, seed, step):
        """Return the probes of a step, one for each direction."""
        part = graph.trainable[step % len(graph.trainable)]
        queries = range(self.n_queries)
        return bf.probe_rows(self.n_queries, "rademacher", seed, step, queries, first=part.offset, count=part.size)


def main(max_forwards=1e6):
    """Train the digits by it and by RGE at the same cost; replay its journal; print and return the accuracies."""
    digits = load_digits()
    model = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)])
    journal, reached = Path(tempfile.mkdtemp()) / "run.journal", {}
    for estimator, files in ((OneTensor(), {"journal": journal}), (bf.RGE(n_queries=16), {})):
        run = bf.train(
            model, digits.train, estimator=estimator, update=bf.Adam(0.005), batch_size=32, max_forwards=max_forwards,
            **files,
        )  # fmt: skip
        reached[type(estimator).__name__] = run.model.accuracy(*digits.validation)
        print(f"{estimator}\n{run.summary()}\naccuracy {reached[type(estimator).__name__]:.1%}\n")
        if files:
            equal = bf.theta_hash(bf.replay(journal, model, rows=[OneTensor])) == run.model.hash
            print(f"replayed from {journal.stat().st_size:,} bytes, equal bits: {equal}\n")
    return reached


if __name__ == "__main__":
    main()
