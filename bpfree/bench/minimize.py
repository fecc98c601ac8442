# SPDX-License-Identifier: MIT
"""How well do the defaults of `bpfree.minimize` do? Twelve functions, 20,000 evaluations, beside other minimisers.

Nothing is chosen for a function: `minimize(function, start, max_evaluations=20_000)`. Starts, frames and noise are
drawn by the seeds 0 ... 4; the defaults were chosen with others. The value is the worst of the seeds, as a share of
the value at the start or as it is; the reference of our rows says what is asked of it, and the ratio is the value
divided by that. Rivals have the same starts, their own defaults and as many evaluations: SciPy's Nelder-Mead, Powell
and L-BFGS-B (forward differences), pycma with a first deviation of 0.5, nevergrad's TwoPointsDE. What they return is
judged, or where the evaluations end them the lowest point that they saw.
"""

from __future__ import annotations

import time

import numpy as np

from bpfree.bench.minimize_cases import CASES
from bpfree.bench.minimize_rivals import RIVALS, minimise
from bpfree.bench.rows import missing, row
from bpfree.estimators.minimization import minimize

EVALUATIONS, SEEDS = 20_000, 5


def run(quick: bool = False) -> list[dict]:
    """Return the rows of all functions; quick: of one seed."""
    from threadpoolctl import threadpool_limits

    seeds = range(1 if quick else SEEDS)
    with threadpool_limits(limits=1):
        return [one for name in CASES for one in case_rows(name, seeds, EVALUATIONS, RIVALS)]


def case_rows(name: str, seeds, evaluations: int, rivals=()) -> list[dict]:
    """Return the rows of one function: ours, how long it took, and those of rivals."""
    case, metric = CASES[name], "share_of_start" if CASES[name].of_start else "loss"
    began = time.perf_counter()
    ours = [judged(case, seed, evaluations, _ours) for seed in seeds]
    seconds, asked = time.perf_counter() - began, f"at most {case.bar:g}: {case.said}"
    rows = [
        _row(name, metric, ours, asked, case.bar),
        row("minimize", name, "seconds", seconds / len(seeds), "s", seeds=len(seeds)),
    ]
    for rival in rivals:
        way = lambda function, start, budget, seed: minimise(rival, function, start, budget, seed)  # noqa: B023
        try:
            values = [judged(case, seed, evaluations, way) for seed in seeds]
            rows.append(_row(f"{name}/{rival}", metric, values, name, max(ours)))
        except ImportError as error:
            rows.append(missing("minimize", f"{name}/{rival}", metric, "1", f"missing: {error.name}"))
    return rows


def judged(case, seed: int, evaluations: int, way) -> float:
    """What a way to minimise comes to: the function without its noise at what is returned, or that of the start's."""
    function, start = case.make(seed)
    noise = np.random.Generator(np.random.Philox(key=(seed, 21)))
    noisy = (lambda x: function(x) + case.noise * noise.standard_normal()) if case.noise else function
    value = function(way(noisy, start.copy(), evaluations, seed))
    return value / function(start) if case.of_start else value


def _ours(function, start, evaluations: int, seed: int):
    theta, history = minimize(function, start, max_evaluations=evaluations, seed=seed, progress=False)
    if history.evaluations > evaluations:
        raise RuntimeError(f"minimize: expected at most {evaluations:,} evaluations, got {history.evaluations:,}")
    return theta


def _row(case: str, metric: str, values, reference, against: float) -> dict:
    worst, ratio = max(values), max(values) / against if against else None
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return row("minimize", case, metric, worst, "1", reference, ratio, seeds=len(values), std=spread)
