# SPDX-License-Identifier: MIT
"""The Arduino library's example: a network so small that an Uno, with 2 KB of RAM, trains it."""

from __future__ import annotations

import tempfile

import numpy as np

import bpfree as bf
from bpfree import native
from bpfree.exporters import firmware

FOLDER = "runtime_c/arduino/examples/Train/"
_STEPS = 50

_OWN = ("model.c", "model.h", "samples.c", "trainer.c")
"""Files of an exported folder that a sketch has, by name."""


def sketch_files() -> dict[str, str]:
    """Return the C files beside Train.ino, by path below the checkout, as they are exported.

    None without the compiled core, which computes the hash that they hold: those that are there stay as they are.
    """
    if not native.available():
        return {}
    model, samples = toy_model(), lamps()
    run = bf.train(
        model,
        (samples.x, samples.labels),
        estimator=bf.RGE(n_queries=4),
        update=bf.SGD(0.2),
        batch_size=8,
        max_steps=_STEPS,
    )
    with tempfile.TemporaryDirectory() as folder:
        exported = firmware.export(model, folder, trainer=run.trainer, samples=samples, steps=_STEPS)
        return {FOLDER + name: (exported / name).read_text() for name in _OWN}


def toy_model():
    """Return the network 4-6-2 of the example, 44 parameters."""
    return bf.Sequential(4, [bf.Linear(6), bf.ReLU(), bf.Linear(2)], seed=1)


def lamps() -> firmware.Samples:
    """Return 16 readings (16, 4) of light sensors in a row, 0..255; label 1 where the right half is brighter."""
    place, sensor = np.mgrid[:16, :4]
    rows = (97 * place + 59 * place * sensor + 31 * sensor) % 256
    labels = (rows[:, 2:].sum(axis=1) > rows[:, :2].sum(axis=1)).astype(np.int64)
    return firmware.Samples(rows.astype(np.uint8), labels=labels, scale=1 / 256)
