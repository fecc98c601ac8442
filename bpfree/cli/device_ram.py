# SPDX-License-Identifier: MIT
"""Counts the RAM that a model needs on a device, for inference and for training."""

from __future__ import annotations

from dataclasses import fields, replace

from bpfree.graph.c_tables import device_tables, model_tables

_FLOAT = 4
_CONTEXT = 68
"""Bytes of bpfree_context on a 32-bit processor: six pointers, their sizes, the step, and four more numbers."""


def inference_bytes(model) -> dict[str, int]:
    """Return the bytes of RAM for inference with the weights in flash: one sample, and the arena of its activations."""
    tables = model_tables(model.graph)
    return _with_total({"sample": _FLOAT * tables.features, "arena": _FLOAT * tables.arena.floats(1)})


def _with_total(parts: dict) -> dict:
    return {"total": sum(parts.values()), **parts}


def training_bytes(trainer) -> dict[str, int]:
    """Return the bytes of RAM of the device's training loop, by purpose: the parts of `bpfree_train_size`."""
    from bpfree.exporters.trainer_source import trainer_sizes

    tables = device_tables(trainer)
    sizes = {name: floats for name, floats, _ in trainer_sizes(tables, trainer)}
    parts = {
        "theta": _FLOAT * tables.n_theta,
        "sample": _FLOAT * tables.features,
        "arena": _FLOAT * sizes["TRAINER_ARENA"],
        "record": _FLOAT * sizes["TRAINER_RECORD"],
        "state": _FLOAT * sizes["TRAINER_STATE"],
        "work": _FLOAT * sizes["TRAINER_WORK"],
        "context": _CONTEXT,
    }
    return _with_total(parts)


def training_plans(model) -> dict[str, dict[str, int]]:
    """Return training_bytes of every estimator of the table with SGD, and of RGE with every update that has a rate.

    Estimators that cannot train this graph on a device are left out. The loss is arbitrary, as it needs no memory.
    """
    from bpfree.estimators import ESTIMATORS
    from bpfree.trainer import Trainer
    from bpfree.updates import UPDATES

    rate_rows = [row for row in UPDATES if "lr" in {field.name for field in fields(row.settings)}]
    first, sgd = next(iter(ESTIMATORS)), rate_rows[0]
    pairs = [(row, sgd) for row in ESTIMATORS] + [(first, row) for row in rate_rows[1:]]
    if model.graph.n_theta == 0:
        return {}
    base = Trainer(model.graph, model.frozen, "mse", first.defaults(), sgd.settings(lr=1.0), batch_size=1)
    trainers = {
        f"{estimator.name} + {update.name}": replace(
            base, estimator=estimator.defaults(), update=update.settings(lr=1.0)
        )
        for estimator, update in pairs
        if isinstance(update.c, str)
    }
    return {name: training_bytes(trainer) for name, trainer in trainers.items() if not trainer.refusal}
