# SPDX-License-Identifier: MIT
"""784-1024-10 in tensor trains of rank 6, 3,962 parameters: the published network, on MNIST.

:mod:`bpfree.bench.contest` says how it is measured. Settings were chosen on the validation split.
"""

from __future__ import annotations

from bpfree.bench.contest import Contest, Method, Recipe, run_contest, with_blas
from bpfree.estimators.cge import CGE
from bpfree.estimators.node_perturbation import NodePerturbation
from bpfree.estimators.rge import RGE
from bpfree.estimators.unit_wise import UnitWise
from bpfree.model import Model, Sequential
from bpfree.ops.relu import ReLU
from bpfree.ops.tt_linear import TTLinear


def network(seed: int) -> Model:
    """Return the network of two tensor-train layers, [7,4,4,7] x [8,4,4,8] and [8,4,4,8] x [1,5,2,1]."""
    layers = [TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6), ReLU(), TTLinear((8, 4, 4, 8), (1, 5, 2, 1), rank=6)]
    return Sequential(784, layers, seed=seed)


COORDINATES = CGE(two_sided=False)
"""Every step probes all parameters one by one: 248 forwards a sample, as a probe computes only what it changes."""

CONTEST = Contest(
    bench="mnist-tt",
    network=network,
    recipe=Recipe(batch_size=100, lr=2e-2, epochs=8),
    methods=(
        Method("unit-wise", UnitWise(two_sided=False), engine=with_blas),
        Method("node-8", NodePerturbation(n_queries=8), Recipe(100, lr=1e-2, epochs=8), engine=with_blas),
        Method("cge", COORDINATES, Recipe(batch_size=64, lr=2e-2, epochs=6)),
        Method("rge", RGE(n_queries=64, mu=2.0**-10, two_sided=False), Recipe(batch_size=32, lr=2e-3, epochs=12)),
    ),
    best="unit-wise",
    black_box="cge",
)


def run(quick: bool = False) -> list[dict]:
    """Return accuracy, time and forwards of every method. quick: only show that it runs."""
    return run_contest(CONTEST, quick)
