# SPDX-License-Identifier: MIT
"""The rows of benches, and steady timing of things that are compared."""

from __future__ import annotations

import time
from statistics import median, stdev

THREADS = 1
"""Of BLAS, of rivals and of our engine, in everything that is timed."""

FIELDS = ("bench", "case", "metric", "value", "unit", "reference", "ratio", "seeds", "std")


def row(bench, case, metric, value, unit, reference=None, ratio=None, seeds=1, std=None) -> dict:
    """One row. A bare case is ours; `case/rival` is somebody else's.

    value: in `unit`. ratio: value / the reference's value. seeds: runs that
    value is the mean of (1: nothing random). std: spread of value, over seeds or
    repetitions. A rival that is not there has value None, and reference says why.
    """
    return dict(zip(FIELDS, (bench, case, metric, value, unit, reference, ratio, seeds, std), strict=True))


def missing(bench, case, metric, unit, why: str) -> dict:
    """The row of a rival that cannot run here."""
    return row(bench, case, metric, None, unit, reference=why, seeds=0)


def call_seconds(contenders: dict, quick: bool) -> dict[str, list[float]]:
    """Seconds a call of each function, one number a repetition.

    Repetitions are interleaved, so that a change of clock or load meets all
    contenders; each lasts long enough for the clock.
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
    """Items a second: the median over repetitions, and the standard deviation."""
    rates = [items / s for s in seconds]
    return median(rates), stdev(rates)


def _calls_in(function, length: float) -> int:
    function()
    calls, started = 0, time.perf_counter()
    while time.perf_counter() - started < length or calls == 0:
        function()
        calls += 1
    return calls
