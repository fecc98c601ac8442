# SPDX-License-Identifier: MIT
"""784-256-256-256-10, three hidden layers, on MNIST: the cost of depth for each method.

:mod:`bpfree.bench.contest` says how it is measured. Settings were chosen on the validation split.
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
    """Return the network: three times Linear and ReLU, then Linear."""
    return Sequential(784, [Linear(256), ReLU(), Linear(256), ReLU(), Linear(256), ReLU(), Linear(10)], seed=seed)


COORDINATES = CGE(0.02, mu=2.0**-9, two_sided=False, ratios=(0, 1, 0, 1, 0.05, 1, 1, 1))
"""Every step probes all biases, the last layer and a twentieth of the third layer's weights, together 2 % of all
parameters. The first two layers' weights are not trained."""

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
    """Return accuracy, time and forwards of every method. quick: only show that it runs."""
    return run_contest(CONTEST, quick)
