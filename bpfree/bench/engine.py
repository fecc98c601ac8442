# SPDX-License-Identifier: MIT
"""How fast is a forward pass? The compiled engine against NumPy and onnxruntime, one thread each.

The layers are Linear 784 x 1024 and TTLinear 784 x 1024 of rank 6, for batches
of 1, 32 and 256 samples in float32. We time `predict` of the compiled engine as
a user calls it, which includes checks, changes of layout and the new result
array. NumPy computes `x @ W.T + b`; for the tensor train it takes the faster of
a sweep of matmuls over the cores and that product with W built beforehand. The
outputs are compared before anything is timed.
"""

from __future__ import annotations

import numpy as np

from bpfree.bench.rows import call_seconds, missing, rate, row
from bpfree.engines import CompiledEngine, ReferenceEngine
from bpfree.model import Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.tt_linear import TTLinear
from bpfree.tt.cores import to_dense

BATCHES = (1, 32, 256)
FEATURES, OUTPUTS = 784, 1024
METRIC = "samples_per_second"
TOLERANCE = 1e-4
"""Largest allowed difference between outputs, which are sums of 784 terms near 1 in float32."""


def run(quick: bool = False) -> list[dict]:
    """Return the samples per second of our engine, NumPy and onnxruntime, for each layer and batch size."""
    from threadpoolctl import threadpool_limits

    rows = []
    with threadpool_limits(limits=1):
        for kind, layer in (("dense", Linear(OUTPUTS)), ("tt", TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6))):
            model = Sequential(FEATURES, [layer], seed=0)
            model.theta += np.float32(0.01)  # a bias that is not zero
            for n in BATCHES:
                rows += _case(f"{kind}-{n}", model, n, quick)
    return rows


def _case(case, model, n, quick) -> list[dict]:
    x = np.random.default_rng(n).standard_normal((n, FEATURES), np.float32)
    engine, contenders, skipped = CompiledEngine(), {}, {}
    contenders[case] = lambda: engine.predict(model.graph, model.theta, model.frozen, x)
    for name, function in _numpy_rivals(model, x).items():
        contenders[f"{case}/{name}"] = function
    try:
        from bpfree.bench.onnx_rival import onnx_rivals

        for name, function in onnx_rivals(model, x).items():
            contenders[f"{case}/{name}"] = function
    except ImportError as error:
        skipped[f"{case}/onnxruntime"] = f"missing: {error.name}"
    _same_outputs(contenders)

    seconds = call_seconds(contenders, quick)
    rates = {name: rate(s, n) for name, s in seconds.items()}
    for rival in ("numpy", "onnxruntime"):  # of several ways to compute with one rival, the fastest counts
        ways = [name for name in rates if name.startswith(f"{case}/{rival}-")]
        if ways:
            rates[f"{case}/{rival}"] = max(rates[name] for name in ways)
    baseline = rates[f"{case}/numpy"][0]
    rows = [
        row("engine", name, METRIC, value, "1/s", "numpy", value / baseline, std=std)
        for name, (value, std) in rates.items()
    ]
    return rows + [missing("engine", name, METRIC, "1/s", why) for name, why in skipped.items()]


def _numpy_rivals(model, x) -> dict:
    parameters = list(model.parameters().values())
    if model.graph.nodes[0].op.layer.dense:
        weight, bias = parameters
        return {"numpy": lambda: x @ weight.T + bias}
    cores, bias = parameters[:-1], parameters[-1]
    dense, reference = to_dense(cores), ReferenceEngine()
    return {
        "numpy-dense": lambda: x @ dense + bias,
        "numpy-sweep": lambda: reference.predict(model.graph, model.theta, model.frozen, x),
    }


def _same_outputs(contenders) -> None:
    results = {name: function() for name, function in contenders.items()}
    reference = next(iter(results.values()))
    for name, y in results.items():
        worst = float(np.abs(y - reference).max())
        if not worst < TOLERANCE:
            raise RuntimeError(f"{name}: expected outputs within {TOLERANCE} of ours, got {worst:.2g} off")
