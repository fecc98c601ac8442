# SPDX-License-Identifier: MIT
"""Writes small runs of the exact reference engine as C tables: the text of runtime_c/tests/vectors.gen.h.

They are the golden vectors of the C tests. Floats are hex literals, which keep every bit.
"""

from __future__ import annotations

import numpy as np

from bpfree import rng
from bpfree.arithmetic.math32 import cos32, exp32, expm1_32, log1p_32, log32, sigmoid32, sin32, tanh32
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import make_batch
from bpfree.estimators.cge import CGE
from bpfree.estimators.coordinate_descent import CoordinateDescent
from bpfree.estimators.hybrid import Hybrid
from bpfree.estimators.rge import RGE
from bpfree.estimators.unit_wise import UnitWise
from bpfree.exporters import model_source
from bpfree.exporters.c_text import array, braces, float_literal, struct
from bpfree.graph import theta_hash
from bpfree.graph.c_tables import model_tables
from bpfree.graph.layers import Residual, assemble, initial_parameters, stack
from bpfree.ops.linear import Linear
from bpfree.ops.relu import ReLU
from bpfree.ops.sin import Sin
from bpfree.ops.tanh import Tanh
from bpfree.ops.tt_linear import TTLinear
from bpfree.trainer import Trainer
from bpfree.updates.sgd import SGD

HASHED_STEPS = (1, 10, 100)
_SEED, _SAMPLES, _BATCH, _LR = 20, 19, 4, 0.05
_MATH_PATTERNS = 1 << 14

_DENSE = [Linear(11), Tanh(), Linear(9), ReLU(), Linear(5)]
_TT = [TTLinear((2, 3, 4), (3, 1, 2), rank=(4, 3)), Tanh(), TTLinear((3, 2), (4, 3), rank=3, bias=False)]
_DEEP = [Linear(3), Sin(), Residual(Linear(3, bias=False), Tanh()), Linear(2), ReLU(), Linear(2)]
_ESTIMATORS = (
    ("joint", RGE(n_queries=2, mu=2.0**-7)),
    ("layer", RGE(n_queries=1, mu=0.01, two_sided=False, grouping="layer")),
    ("gaussian", RGE(n_queries=2, mu=0.01, direction="gaussian", grouping="tensor")),
    ("sphere", RGE(n_queries=2, mu=2.0**-6, two_sided=False, direction="sphere", scale="dim")),
    ("hadamard", RGE(n_queries=3, mu=2.0**-7, direction="hadamard", scale="dim")),
    ("hadamard_layers", RGE(n_queries=2, mu=0.01, two_sided=False, direction="hadamard", grouping="layer")),
    ("sphere_layers", RGE(n_queries=1, mu=2.0**-6, direction="sphere", grouping="layer")),
    ("hybrid", Hybrid(n_queries=23, mu=2.0**-7)),
    ("hybrid_one_sided", Hybrid(n_queries=9, mu=0.01, two_sided=False)),
    ("coordinates", CGE(fraction=0.06, mu=0.02, rescale=True)),
    ("coordinate_descent", CoordinateDescent(fraction=0.05, mu=0.02)),
    ("coordinates_one_sided", CGE(fraction=0.04, two_sided=False)),
    ("coordinates_cyclic", CGE(fraction=0.07, mu=0.02, rescale=True, mask_refresh=2, order="cyclic")),
    ("coordinates_erk", CGE(fraction=0.1, two_sided=False, rescale=True, mask_refresh=3, ratios="erk")),
)
# Their records are as long as theta, so their network is small; its probes start in all three ways.
_UNITS = (
    ("units", UnitWise(mu=0.02)),
    ("units_one_sided", UnitWise(mu=2.0**-9, two_sided=False, head="probe")),
)
# (name, loss, inputs, layers, names of the frozen slices, estimators). The sizes are chosen so that blocks of signs end
# in the middle, an input is padded, the two tensor trains are swept from different ends, and the first tensor of
# `dense` does not depend on theta, so that both sides of a pair share it.
_NETWORKS = (
    ("dense", "softmax_cross_entropy", 7, _DENSE, ("linear1.weight", "linear1.bias"), _ESTIMATORS),
    ("tt", "mse", 22, _TT, ("tt_linear1.core1",), _ESTIMATORS),
    ("deep", "softmax_cross_entropy", 3, _DEEP, ("linear1.bias",), _UNITS),
)

_HEAD = """\
/* Golden vectors of the exact reference engine, written by `make generate`. Do not edit. */
#ifndef BPFREE_VECTORS_GEN_H
#define BPFREE_VECTORS_GEN_H

#include "bpfree/host.h"

#define BPFREE_OP(number, name) void bpfree_op_##name##_scalar(const bpfree_pass *, const bpfree_node *);
#include "bpfree/ops.gen.def"
#undef BPFREE_OP
#define BPFREE_SLOPE(number, name) void bpfree_slope_##name##_scalar(const bpfree_pass *, const bpfree_node *, float *);
#include "bpfree/slopes.gen.def"
#undef BPFREE_SLOPE
#define BPFREE_LOSS(number, name) extern const bpfree_closed bpfree_closed_##name##_scalar;
#include "bpfree/losses.gen.def"
#undef BPFREE_LOSS

#define GOLDEN_HASHES 3
#define GOLDEN_STEPS 100

/* A network and its samples. */
typedef struct golden_network {
  const char *name;
  bpfree_model model;   /* tables for two sides, or that keep what is read; scalar kernels */
  const uint32_t *ops;  /* (n_nodes) numbers of the kernels */
  const float *theta;   /* (n_theta) before step 0 */
  uint32_t loss;        /* number */
  bpfree_batch batch;   /* all samples */
} golden_network;

/* A run on it, and SGD. */
typedef struct golden_run {
  const char *name;
  const golden_network *network;
  uint32_t estimator; /* number */
  uint32_t seed, batch, n_queries, two_sided;
  float mu, scale, lr;
  const void *settings;      /* the estimator's own */
  uint32_t n_coefficients;   /* a step */
  const float *coefficients; /* (GOLDEN_STEPS, n_coefficients) */
  uint64_t hash[GOLDEN_HASHES];
} golden_run;
"""


def vectors_header() -> str:
    """Return the text of tests/vectors.gen.h."""
    networks, runs = [], []
    order = [rng.batch_indices(_SEED, step, _BATCH, _SAMPLES) for step in range(HASHED_STEPS[-1])]
    for name, loss, inputs, layers, frozen_names, estimators in _NETWORKS:
        graph, theta, frozen = _network(inputs, layers, frozen_names)
        trainers = {}
        for how, estimator in estimators:
            update = SGD(1.0 if estimator.coefficients_are == "moves" else _LR)
            trainers[how] = Trainer(graph, frozen, loss, estimator, update, _BATCH, _SEED)
        first = next(iter(trainers.values()))
        loss = first.loss
        x = golden_inputs(inputs)
        y = rng.uniform(_SEED, 1001, _SAMPLES * graph.output.size).reshape(_SAMPLES, -1)
        batch = make_batch(graph, loss, x, y.argmax(axis=1) if loss.labels else y)
        networks.append(_network_text(name, first, theta, batch))
        for how, trainer in trainers.items():
            text, row = _run_text(name, how, trainer, theta, batch, order)
            networks.append(text)
            runs.append(row)
    steps = f"static const uint32_t golden_hashed_steps[GOLDEN_HASHES] = {braces(HASHED_STEPS)};\n"
    table = "static const golden_run golden_runs[] = {\n" + "\n".join(runs) + "\n};\n"
    return "\n".join([_HEAD, steps, *networks, table, _math_text(), "#endif\n"])


def _network(inputs, layers, frozen_names):
    chain = stack(inputs, layers)
    graph = assemble((inputs,), chain.rows, frozen_names)
    return graph, *initial_parameters(graph, _SEED, chain.gains)


def _network_text(name, trainer, theta, batch) -> str:
    graph, frozen, loss = trainer.graph, trainer.frozen, trainer.loss
    tables = model_tables(graph, sides=2, keep=trainer.estimator.row.device.kept(graph))
    kind, own = ("uint32_t", "labels") if loss.labels else ("float", "targets")
    y = [f"{name}_{own}" if own == which else 0 for which in ("labels", "targets")]
    data = braces((f"{name}_x", *y, len(batch)))
    model = model_source.initialiser(tables, f"{name}_")
    network = braces((f'"{name}"', model, f"{name}_ops", f"{name}_theta", loss.number, data))
    targets = batch.labels if loss.labels else map(float_literal, batch.targets.ravel())
    parts = [
        model_source.table_arrays(graph, tables, frozen, f"{name}_", kernel_suffix="_scalar"),
        array(f"static const uint32_t {name}_ops", [row.op for row in tables.nodes]),
        array(f"static const float {name}_theta", map(float_literal, theta)),
        array(f"static const float {name}_x", map(float_literal, batch.x.ravel())),
        array(f"static const {kind} {name}_{own}", targets),
        f"static const golden_network {name}_network = {network};\n",
    ]
    return "\n".join(parts)


def _run_text(name, how, trainer, theta, batch, order) -> tuple[str, str]:
    """Return the records of all steps as a C array, and the row of the run."""
    engine, records, hashes = ReferenceEngine(exact=True), [], []
    state = trainer.initial_state(theta)
    for step, indices in enumerate(order):
        estimate = trainer.estimate(engine, theta, batch.take(indices), step)
        theta, state = engine.apply(trainer, theta, state, step, estimate.coefficients)
        records.append(estimate.coefficients.ravel())
        if step + 1 in HASHED_STEPS:
            hashes.append(f"0x{theta_hash(theta)}ULL")
    run, table, own = trainer.native_settings(), f"{name}_{how}_coefficients", f"{name}_{how}"
    counts = [int(run[key]) for key in ("estimator", "seed", "batch", "n_queries", "two_sided")]
    reals = map(float_literal, (run["mu"], run["scale"], trainer.update.lr))
    text = array(f"static const float {table}", map(float_literal, np.concatenate(records)))
    if run["settings"]:
        text += struct(run["settings"], own, "_scalar")
    settings = f"&{own}" if run["settings"] else "NULL"
    row = (f'"{name}, {how}"', f"&{name}_network", *counts, *reals, settings, records[0].size, table, braces(hashes))
    return text, f"  {braces(row)},"


def math_patterns() -> np.ndarray:
    """Return arguments (2 * _MATH_PATTERNS,): bit patterns all over float32, then as many with 2^-7 <= |x| < 2^7."""
    with np.errstate(over="ignore"):
        words = np.arange(_MATH_PATTERNS, dtype=np.uint32) * np.uint32(0x9E3779B1)
    near = (words & np.uint32(0x80000000)) | (np.uint32(0x3C000000) + words % np.uint32(0x07000000))
    return np.concatenate([words, near]).view(np.float32)


def _math_text() -> str:
    """Return the FNV-1a-64 hashes of the results as a C array, with every NaN as 0x7fc00000."""
    hashes = []
    for function in (exp32, log32, tanh32, sigmoid32, sin32, cos32, expm1_32, log1p_32):
        y = function(math_patterns())
        y[np.isnan(y)] = np.float32(np.nan)
        hashes.append(f"0x{theta_hash(y)}ULL")
    comment = "/* Of exp, log, tanh, sigmoid, sin, cos, expm1 and log1p over the arguments that test_math.c makes. */\n"
    count = f"#define GOLDEN_MATH_PATTERNS {_MATH_PATTERNS}u\n"
    return f"{comment}{count}static const uint64_t golden_math[{len(hashes)}] = {braces(hashes)};\n"


def golden_network(name: str):
    """Return graph, theta and frozen of the network of this name, for other generated headers."""
    inputs, layers, frozen_names = next(row[2:5] for row in _NETWORKS if row[0] == name)
    return _network(inputs, layers, frozen_names)


def golden_inputs(features: int):
    """Return the samples (n, features) of a network with this number of features."""
    return rng.uniform(_SEED, 1000, _SAMPLES * features).reshape(_SAMPLES, features) - np.float32(0.5)
