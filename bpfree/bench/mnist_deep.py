# SPDX-License-Identifier: MIT
"""784-256-256-256-10, three hidden layers, on MNIST: what depth costs each method.

How it is measured: :mod:`bpfree.bench.contest`. Settings were chosen with the validation split.
"""

from __future__ import annotations

from bpfree.bench.contest import Contest, Method, Recipe, run_contest, with_blas
from bpfree.estimators.cge import CGE
from bpfree.estimators.node_perturbation import NodePerturbation
from bpfree.estimators.rge import RGE
from bpfree.estimators.unit_wise import UnitWise
from bpfree.model import Model, Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.relu import ReLU


def network(seed: int) -> Model:
    """Linear and ReLU, three times, and Linear."""
    return Sequential(784, [Linear(256), ReLU(), Linear(256), ReLU(), Linear(256), ReLU(), Linear(10)], seed=seed)


COORDINATES = CGE(0.02, mu=2.0**-9, two_sided=False, ratios=(0, 1, 0, 1, 0.05, 1, 1, 1))
"""Every step all biases and the last layer, and as many weights of the third as make 2 % of all parameters: what costs
a small part of a pass. The first two layers keep their weights."""

CONTEST = Contest(
    bench="mnist-deep",
    network=network,
    recipe=Recipe(batch_size=200, lr=4e-3, epochs=5),
    methods=(
        Method("unit-wise", UnitWise(two_sided=False), engine=with_blas),
        Method("node-8", NodePerturbation(n_queries=8), engine=with_blas),
        Method("cge", COORDINATES, Recipe(batch_size=32, lr=1e-2, epochs=1)),
        Method("rge", RGE(n_queries=64, mu=2.0**-10, two_sided=False), Recipe(batch_size=100, lr=1e-3, epochs=2)),
    ),
    best="unit-wise",
    black_box="cge",
)


def run(quick: bool = False) -> list[dict]:
    """Accuracy, time and forwards of every method. quick: shows that it runs."""
    return run_contest(CONTEST, quick)
