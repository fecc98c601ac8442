# SPDX-License-Identifier: MIT
"""bpfree: train neural networks with forward passes only, on the device where they run.

A model is a small graph over one flat parameter vector; an engine turns
parameters into losses; an estimator turns losses into a direction; an update
moves the parameters; a journal remembers the scalars.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    # layers: written by make generate
    "Linear": "bpfree.ops.linear",
    "TTLinear": "bpfree.ops.tt_linear",
    "ReLU": "bpfree.ops.relu",
    "Tanh": "bpfree.ops.tanh",
    "Flatten": "bpfree.ops.flatten",
    "Scale": "bpfree.ops.scale",
    "Softmax": "bpfree.ops.softmax",
    "Sin": "bpfree.ops.sin",
    "Sigmoid": "bpfree.ops.sigmoid",
    "Square": "bpfree.ops.square",
    # layers: end
    "Op": "bpfree.ops",
    "elementwise_op": "bpfree.ops",
    "Parameters": "bpfree.ops",
    "Loss": "bpfree.losses",
    "Direction": "bpfree.directions",
    "probe_rows": "bpfree.engines.probes",
    "Estimate": "bpfree.estimators.estimate",
    "Estimator": "bpfree.estimators.table",
    "Differences": "bpfree.estimators.differences",
    "Update": "bpfree.updates.table",
    "Schedule": "bpfree.schedules.table",
    "Residual": "bpfree.graph.layers",
    "Sequential": "bpfree.model",
    "Model": "bpfree.model",
    # estimators: written by make generate
    "RGE": "bpfree.estimators.rge",
    "CGE": "bpfree.estimators.cge",
    "UnitWise": "bpfree.estimators.unit_wise",
    "NodePerturbation": "bpfree.estimators.node_perturbation",
    "StructuredCGE": "bpfree.estimators.structured",
    "Hybrid": "bpfree.estimators.hybrid",
    "CoordinateDescent": "bpfree.estimators.coordinate_descent",
    # estimators: end
    "layer_ratios": "bpfree.study.layer_ratios",
    # updates: written by make generate
    "SGD": "bpfree.updates.sgd",
    "Momentum": "bpfree.updates.momentum",
    "SignSGD": "bpfree.updates.sign_sgd",
    "Adam": "bpfree.updates.adam",
    "WeightDecay": "bpfree.updates.weight_decay",
    "Normalize": "bpfree.updates.normalize",
    "WindowMomentum": "bpfree.updates.window_momentum",
    "Stale": "bpfree.updates.stale",
    # updates: end
    "chain": "bpfree.updates.chain",
    "clip": "bpfree.updates.chain",
    "cosine_decay": "bpfree.schedules.cosine_decay",
    "exponential_decay": "bpfree.schedules.exponential_decay",
    "linear_decay": "bpfree.schedules.linear_decay",
    "power_decay": "bpfree.schedules.power_decay",
    "spall_gains": "bpfree.schedules.power_decay",
    "AskTell": "bpfree.estimators.asktell",
    "minimize": "bpfree.estimators.minimization",
    "History": "bpfree.estimators.history",
    "FirstLook": "bpfree.estimators.first_look",
    "train": "bpfree.training.loop",
    "LevenbergMarquardt": "bpfree.pde.methods.levenberg_marquardt",
    "GaussNewton": "bpfree.pde.methods.gauss_newton",
    "LeastSquaresHead": "bpfree.pde.methods.gauss_newton",
    "Alternate": "bpfree.pde.methods.alternate",
    "FirstOrder": "bpfree.pde.methods.first_order",
    "StructuredGradient": "bpfree.pde.methods.first_order",
    "calibrate": "bpfree.study.calibration",
    "Calibration": "bpfree.study.calibration",
    "diagnose": "bpfree.study.diagnostics",
    "Diagnosis": "bpfree.study.diagnostics",
    "fit_head": "bpfree.study.heads",
    "random_features_floor": "bpfree.study.floors",
    "Phase": "bpfree.training.phases",
    "train_phases": "bpfree.training.phases",
    "hybrid_switch": "bpfree.training.phases",
    "hybrid_plateau": "bpfree.training.phases",
    "Run": "bpfree.training.run",
    "Trainer": "bpfree.trainer",
    "Journal": "bpfree.journal",
    "replay": "bpfree.journal",
    "ReferenceEngine": "bpfree.engines",
    "CompiledEngine": "bpfree.engines",
    "Threads": "bpfree.executors.futures",
    "Futures": "bpfree.executors.futures",
    "Processes": "bpfree.executors.processes",
    "theta_hash": "bpfree.graph",
}
_MODULES = ("datasets", "errors", "emulate", "exporters", "native", "tt", "bench", "rng", "sklearn", "pde")

__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str):
    """Load a public name where it lives, on first use: `import bpfree` stays light."""
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = import_module(f"bpfree.{name}")
    else:
        raise AttributeError(f"module 'bpfree' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
