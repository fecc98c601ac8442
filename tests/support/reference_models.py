"""Small training runs whose parameters are known bit for bit: see test_training_hash.py.

Run as a program it prints the golden hashes, computed by the exact reference:

    python tests/support/reference_models.py            shows them
    python tests/support/reference_models.py --write    writes tests/support/golden_hashes.json
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from helpers import portable

import bpfree as bf
from bpfree.engines import ReferenceEngine
from bpfree.graph import theta_hash

GOLDEN = Path(__file__).with_name("golden_hashes.json")
STEPS = 100
GOLDEN_STEPS = (1, 10, 100)


@dataclass(frozen=True)
class ReferenceRun:
    """Everything a run is made of; data have the same bits on every machine."""

    model: bf.Model
    x: np.ndarray
    y: np.ndarray
    loss: str
    estimator: object
    update: object
    batch_size: int
    seed: int

    @property
    def labels(self):
        """Labels, or None for a regression."""
        return self.y.astype(np.uint32) if self.y.ndim == 1 else None

    @property
    def targets(self):
        """Targets, or None for a classification."""
        return None if self.y.ndim == 1 else self.y

    def train(self, engine, steps=STEPS, records=None):
        """The Run, and theta's hash after each golden step; records is a Recorder of every step, or None."""
        hashes = {}

        def note(step, run):
            if records is not None:
                records(step, run)
            if step + 1 in GOLDEN_STEPS:
                hashes[step + 1] = theta_hash(run.model.theta)

        settings = {"loss": self.loss, "estimator": self.estimator, "update": self.update, "seed": self.seed}
        run = bf.train(
            self.model,
            (self.x, self.y),
            batch_size=self.batch_size,
            max_steps=steps,
            engine=engine,
            callbacks=note,
            **settings,
        )
        return run, hashes


def reference_runs():
    """Name to ReferenceRun."""
    mlp = bf.Sequential(12, [bf.Linear(20), bf.ReLU(), bf.Linear(5)], seed=1)
    mixed = bf.Sequential(
        22,
        [
            bf.TTLinear((2, 3, 4), (3, 2, 3), rank=3),
            bf.Tanh(),
            bf.Linear(10, bias=False),
            bf.ReLU(),
            bf.TTLinear((2, 5), (2, 2), rank=2),
        ],
        seed=2,
    )
    regression = bf.Sequential(3, [bf.Linear(16), bf.Tanh(), bf.Linear(2)], seed=3)

    x12, x22, x3 = portable(0, 96, 12), portable(1, 64, 22), portable(2, 50, 3)
    by_largest = x12[:, :5].argmax(axis=1)
    by_signs = (x22[:, 0] > 0) * 2 + (x22[:, 1] > 0)
    products = np.stack([x3[:, 0] * x3[:, 1], x3[:, 2] * np.float32(0.5)], axis=1)
    return {
        "mlp": ReferenceRun(
            mlp, x12, by_largest, "cross_entropy", bf.RGE(n_queries=4), bf.SGD(0.02), batch_size=24, seed=0
        ),
        "tt-mixed": ReferenceRun(
            mixed,
            x22,
            by_signs,
            "cross_entropy",
            bf.RGE(n_queries=3, grouping="layer"),
            bf.SGD(0.01),
            16,
            seed=7,
        ),
        "regression": ReferenceRun(
            regression,
            x3,
            products,
            "mse",
            bf.RGE(n_queries=6, mu=0.01, two_sided=False),
            bf.SGD(0.05),
            7,
            seed=99,
        ),
        "sphere": ReferenceRun(
            mixed,
            x22,
            by_signs,
            "cross_entropy",
            bf.RGE(n_queries=3, direction="sphere", grouping="layer"),
            bf.SGD(0.01),
            16,
            seed=8,
        ),
        "coordinates": ReferenceRun(
            regression,
            x3,
            products,
            "mse",
            bf.CGE(fraction=0.3, rescale=True, two_sided=False),
            bf.SGD(0.05),
            7,
            seed=100,
        ),
        "stale": ReferenceRun(
            regression,
            x3,
            products,
            "mse",
            bf.CGE(fraction=0.3, two_sided=False, order="cyclic"),
            bf.chain(bf.Stale(0.9), bf.Momentum(0.02, beta=0.5)),
            7,
            seed=101,
        ),
    }


def golden_hashes():
    """Name to {step: hash}, as committed."""
    document = json.loads(GOLDEN.read_text())
    return {name: {int(step): value for step, value in hashes.items()} for name, hashes in document.items()}


def main():
    """Print the hashes, or write them."""
    hashes = {name: run.train(ReferenceEngine(exact=True))[1] for name, run in reference_runs().items()}
    text = json.dumps(hashes, indent=2) + "\n"
    if "--write" in sys.argv[1:]:
        GOLDEN.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
