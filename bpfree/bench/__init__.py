# SPDX-License-Identifier: MIT
"""Benchmarks, which measure bpfree against rivals on this machine.

Each is a module with run(quick) -> rows, in the form of :func:`bpfree.bench.rows.row`.
"""

from __future__ import annotations

from importlib import import_module

__all__ = ["BENCHES", "DRAWN", "run"]

BENCHES = {
    "deepzero": "sparse coordinate-wise estimation with different shares per layer, at equal forwards",
    "device": "RAM, flash and instructions of training on an emulated Cortex-M4F, beside back-propagation",
    "engine": "the compiled engine's forward pass against NumPy and onnxruntime, one thread",
    "estimators": "accuracy against forwards of every method on the digits, 64-32-10; --csv, --plot",
    "memory": "RAM and flash of training on an emulated Cortex-M4F, by estimator and update",
    "minimize": "bpfree.minimize with its defaults on twelve functions, against SciPy, pycma and nevergrad",
    "mnist-deep": "784-256-256-256-10 trained forward-only, against back-propagation in PyTorch",
    "mnist-dense": "784-1024-10, 814,090 parameters, trained forward-only, against back-propagation in PyTorch",
    "mnist-tt": "784-1024-10 as tensor trains, 3,962 parameters, against back-propagation in PyTorch",
    "parallel": "a step of coordinate probes by two workers, against one",
    "pde": "PDEs with forward passes only: rules, errors, floors, against back-propagation; --csv, --plot",
    "probes": "a gradient from structured coordinate probes against the loop of forward passes: cost, time, numbers",
}
"""What each benchmark measures, by its name, which is that of its module with - for _."""

DRAWN = ("estimators", "pde")
"""Names of the benchmarks that have curves."""


def run(name: str, quick: bool = False, **files) -> list[dict]:
    """Run one benchmark and return its rows.

    quick: take seconds instead of minutes, with noisier numbers.
    files: csv and plot, the paths of files for the curves, where the benchmark has some.
    """
    if name not in BENCHES:
        raise ValueError(f"bench: expected one of {', '.join(BENCHES)}; got {name!r}")
    return import_module(f"bpfree.bench.{name.replace('-', '_')}").run(quick, **files)
