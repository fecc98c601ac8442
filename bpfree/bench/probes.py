# SPDX-License-Identifier: MIT
"""What does a gradient from coordinate probes cost? StructuredCGE against CGE's loop of forward passes.

The network has 3,962 parameters (TT 784-1024-10 of rank 6, ReLU). The gradient
is of two-sided differences with mu = 2^-10 in every parameter, in float64 on the
reference engine with one thread: 7,924 losses of each sample. Inputs are
uniform in [0, 1), so that zeros save nothing. Two loops are measured, neither
of them extrapolated: in `naive` every probe starts at the input, and in
`feature-reuse` a probe computes only what it changes of a pass that is kept.
"""

from __future__ import annotations

import time
from statistics import median, stdev

import numpy as np

from bpfree.bench.rows import row
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.estimators.cge import CGE
from bpfree.estimators.structured import StructuredCGE
from bpfree.model import Sequential
from bpfree.ops.relu import ReLU
from bpfree.ops.tt_linear import TTLinear
from bpfree.trainer import Trainer
from bpfree.updates.sgd import SGD

CASE, RIVAL, REUSE = "mnist-tt", "mnist-tt/naive", "mnist-tt/feature-reuse"
LAYERS = [
    TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6),
    ReLU(),
    TTLinear((8, 4, 4, 8), (1, 5, 2, 1), rank=6),
]


def run(quick: bool = False) -> list[dict]:
    """Return rows of forwards per sample, seconds, speedup and the difference between the two gradients."""
    return measure(4, 3) if quick else measure(64, 5)


def measure(n: int, repetitions: int) -> list[dict]:
    """Return the rows for a batch of n samples; the loops run once, StructuredCGE several times."""
    from threadpoolctl import threadpool_limits

    model, draw = Sequential(784, LAYERS, seed=0), np.random.default_rng(0)
    batch = Batch(draw.random((n, 784), np.float32), labels=np.arange(n, dtype=np.uint32) % 10)
    whole, reuse = ReferenceEngine(dtype=np.float64, cache_bytes=0), ReferenceEngine(dtype=np.float64)
    with threadpool_limits(limits=1):
        _timed(StructuredCGE(), whole, model, batch)  # allocates memory, which is not timed
        ours, times = _timed(StructuredCGE(), whole, model, batch, repetitions)
        loops = {RIVAL: _timed(CGE(), whole, model, batch), REUSE: _timed(CGE(), reuse, model, batch)}
    seconds, spread = median(times), stdev(times)
    naive, (naive_seconds,) = loops[RIVAL]
    wanted, speedup = naive.coefficients[0], naive_seconds / seconds
    difference = float(np.abs(ours.coefficients[0] - wanted).max() / np.abs(wanted).max())
    cost = ours.forwards / n
    rows = [
        row("probes", CASE, "forwards_equivalent", cost, "forwards/sample", RIVAL, ours.forwards / naive.forwards),
        row("probes", CASE, "speedup", speedup, "1", RIVAL, std=speedup * spread / seconds),
        row("probes", CASE, "max_relative_difference", difference, "1", RIVAL),
        row("probes", CASE, "seconds", seconds, "s", RIVAL, seconds / naive_seconds, std=spread),
    ]
    for case, (estimate, (spent,)) in loops.items():
        forwards, metric = estimate.forwards / naive.forwards, "forwards_equivalent"
        rows += [
            row("probes", case, metric, estimate.forwards / n, "forwards/sample", RIVAL, forwards),
            row("probes", case, "seconds", spent, "s", RIVAL, spent / naive_seconds),
        ]
    return rows


def _timed(estimator, engine, model, batch, repetitions: int = 1):
    """Return the Estimate of one step, and the seconds of each repetition."""
    trainer = Trainer(model.graph, model.frozen, "cross_entropy", estimator, SGD(), batch_size=len(batch))
    theta, seconds = model.theta.astype(np.float64), []
    for _ in range(repetitions):
        started = time.perf_counter()
        estimate = trainer.estimate(engine, theta, batch, step=0)
        seconds.append(time.perf_counter() - started)
    return estimate, seconds
