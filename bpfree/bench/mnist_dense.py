# SPDX-License-Identifier: MIT
"""784-1024-10 with dense layers, 814,090 parameters, on MNIST.

:mod:`bpfree.bench.contest` says how it is measured. Settings were chosen on the validation split.
"""

from __future__ import annotations

from bpfree.bench.contest import Contest, Method, Recipe, run_contest, with_blas
from bpfree.estimators.node_perturbation import NodePerturbation
from bpfree.estimators.rge import RGE
from bpfree.estimators.unit_wise import UnitWise
from bpfree.model import Model, Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.relu import ReLU


def network(seed: int) -> Model:
    """Return the network: Linear, ReLU, Linear."""
    return Sequential(784, [Linear(1024), ReLU(), Linear(10)], seed=seed)


CONTEST = Contest(
    bench="mnist-dense",
    network=network,
    recipe=Recipe(batch_size=200, lr=4e-3, epochs=5),
    methods=(
        Method("unit-wise", UnitWise(two_sided=False), engine=with_blas),
        Method("node-8", NodePerturbation(n_queries=8), engine=with_blas),
        Method("rge", RGE(n_queries=64, mu=2.0**-10, two_sided=False), Recipe(batch_size=100, lr=1e-3, epochs=2)),
    ),
    best="unit-wise",
)


def run(quick: bool = False) -> list[dict]:
    """Return accuracy, time and forwards of every method. quick: only show that it runs."""
    return run_contest(CONTEST, quick)
