# SPDX-License-Identifier: MIT
"""How much time do two workers save? A step of coordinate probes by one worker and by two.

The network is 784-1024-10 as tensor trains with 3,962 parameters, and two-sided
CGE probes all of them: 7,924 probes of a batch of 32, in the compiled engine.
The bare case is worker processes. `seconds_per_step` is the least of the
interleaved repetitions, `std` their standard deviation, and `ratio` is to one
worker. `theta_hash_equal` is 1 if every run ended with the theta of one worker.

Two workers can only help where two processors are free: `load_average` is that
of the machine at the start.
"""

from __future__ import annotations

import os
import time
from statistics import stdev

import numpy as np

from bpfree import rng
from bpfree.bench.rows import row
from bpfree.estimators.cge import CGE
from bpfree.executors import Processes, Threads
from bpfree.model import Sequential
from bpfree.ops.relu import ReLU
from bpfree.ops.tt_linear import TTLinear
from bpfree.training.loop import train
from bpfree.updates.sgd import SGD

BATCH = 32
WORKERS = 2
CASE = "cge-3962"
ONE = f"{CASE}/1"
STEPS = 1


def run(quick: bool = False) -> list[dict]:
    """Return rows of seconds per step and of the equality of hashes. quick: a tenth of the coordinates."""
    fraction, repetitions = (0.1, 5) if quick else (1.0, 5)
    with Processes(WORKERS, "compiled") as processes, Threads(WORKERS, "compiled") as threads:
        contenders = {ONE: "compiled", CASE: processes, f"{CASE}/threads": threads}
        load = os.getloadavg()[0]
        for engine in contenders.values():
            _steps(engine, 0.01, 1)  # starts the workers, which is not timed
        runs = {name: [] for name in contenders}
        for _ in range(repetitions):
            for name, engine in contenders.items():
                runs[name].append(_steps(engine, fraction, STEPS))
    return [*_rows(runs), row("parallel", CASE, "load_average", load, "processes")]


def _rows(runs) -> list[dict]:
    """Return the rows of runs, which hold (seconds, theta hash) of every repetition by name."""
    rows, hashes = [], {theta for _, theta in runs[ONE]}
    least = {name: min(seconds for seconds, _ in found) / STEPS for name, found in runs.items()}
    for name, found in runs.items():
        spread, ratio = stdev(seconds / STEPS for seconds, _ in found), least[name] / least[ONE]
        equal = int({theta for _, theta in found} == hashes and len(hashes) == 1)
        rows.append(row("parallel", name, "seconds_per_step", least[name], "s", ONE, ratio, std=spread))
        rows.append(row("parallel", name, "theta_hash_equal", equal, "", ONE))
    return rows


def _steps(engine, fraction: float, steps: int):
    """Train some steps, the same on every engine; return (seconds, theta hash)."""
    hidden = TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6)
    model = Sequential(784, [hidden, ReLU(), TTLinear((8, 4, 4, 8), (1, 5, 2, 1), rank=6)])
    x = rng.uniform(0, 0, BATCH * 784).reshape(BATCH, 784)
    began = time.perf_counter()
    done = train(
        model, (x, np.arange(BATCH) % 10), estimator=CGE(fraction), update=SGD(0.1), batch_size=BATCH,
        max_steps=steps, engine=engine, progress=False,
    )  # fmt: skip
    return time.perf_counter() - began, done.model.hash
