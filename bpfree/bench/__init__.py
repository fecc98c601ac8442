# SPDX-License-Identifier: MIT
"""Benches: what bpfree is worth, against rivals, on this machine.

Each has run(quick) -> rows as :func:`bpfree.bench.rows.row` makes them.
"""

from __future__ import annotations

from importlib import import_module

BENCHES = {
    "deepzero": "sparse coordinate-wise estimation: shares by layer at equal forwards",
    "device": "RAM, flash and instructions of training on an emulated Cortex-M4F, beside back-propagation",
    "engine": "the compiled engine's forward pass against NumPy and onnxruntime, one thread",
    "estimators": "accuracy against forwards of every method on the digits, 64-32-10; --csv, --plot",
    "mnist-deep": "784-256-256-256-10 trained forward-only, against back-propagation in PyTorch",
    "mnist-dense": "784-1024-10, 814,090 parameters, trained forward-only, against back-propagation in PyTorch",
    "mnist-tt": "784-1024-10 as tensor trains, 3,962 parameters, against back-propagation in PyTorch",
    "parallel": "a step of coordinate probes shared out to two workers, against one",
    "pde": "PDEs with forward passes only: rules, errors, floors, against back-propagation; --csv, --plot",
    "probes": "a gradient from structured coordinate probes against the loop of forward passes: cost, time, numbers",
}
"""What each bench asks, by name; the module of that name here, with _ for -, answers."""

DRAWN = ("estimators", "pde")
"""Those that have curves."""


def run(name: str, quick: bool = False, **files) -> list[dict]:
    """Rows of one bench. quick: seconds, numbers less steady. files: csv, plot of benches with curves."""
    if name not in BENCHES:
        raise ValueError(f"bench: expected one of {', '.join(BENCHES)}; got {name!r}")
    return import_module(f"bpfree.bench.{name.replace('-', '_')}").run(quick, **files)
