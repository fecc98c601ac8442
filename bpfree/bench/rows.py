# SPDX-License-Identifier: MIT
"""The rows of benchmarks, and the timing of functions that are compared."""

from __future__ import annotations

import time
from statistics import median, stdev

THREADS = 1
"""Number of threads of BLAS, of rivals and of our engine, in everything that is timed."""

FIELDS = ("bench", "case", "metric", "value", "unit", "reference", "ratio", "seeds", "std")


def row(bench, case, metric, value, unit, reference=None, ratio=None, seeds=1, std=None) -> dict:
    """Return one row. The row `case` is our best result, `case/method` another method or a rival.

    value: in `unit`; None for a rival that is missing, where reference says why.
    ratio: value / the value of the reference.
    seeds: number of runs whose mean is value (1: nothing is random).
    std: standard deviation of value, over seeds or repetitions.
    """
    return dict(zip(FIELDS, (bench, case, metric, value, unit, reference, ratio, seeds, std), strict=True))


def missing(bench, case, metric, unit, why: str) -> dict:
    """Return the row of a rival that cannot run here."""
    return row(bench, case, metric, None, unit, reference=why, seeds=0)


def call_seconds(contenders: dict, quick: bool) -> dict[str, list[float]]:
    """Return the seconds per call of each function, one number per repetition.

    Repetitions are interleaved, so that a change of clock rate or load affects
    all contenders, and each is long enough for the clock's resolution.
    """
    length, repetitions = (0.004, 7) if quick else (0.02, 25)
    calls = {name: _calls_in(function, length) for name, function in contenders.items()}
    seconds = {name: [] for name in contenders}
    for _ in range(repetitions):
        for name, function in contenders.items():
            started = time.perf_counter()
            for _ in range(calls[name]):
                function()
            seconds[name].append((time.perf_counter() - started) / calls[name])
    return seconds


def rate(seconds: list[float], items: int) -> tuple[float, float]:
    """Return the items per second: the median over repetitions, and the standard deviation."""
    rates = [items / s for s in seconds]
    return median(rates), stdev(rates)


def _calls_in(function, length: float) -> int:
    function()
    calls, started = 0, time.perf_counter()
    while time.perf_counter() - started < length or calls == 0:
        function()
        calls += 1
    return calls
