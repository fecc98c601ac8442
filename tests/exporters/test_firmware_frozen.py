# SPDX-License-Identifier: MIT
"""Firmware that trains a part of its model: what is frozen lies in flash, and the bits are those of the computer."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import Recorder, fitting, show

import bpfree as bf
from bpfree.exporters import firmware

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from firmware_runs import DIGITS, LABELS, MODELS, on_device  # noqa: E402

from bpfree import emulate  # noqa: E402
from bpfree.emulate.elf import Image  # noqa: E402


def trained(name, trainable, steps, estimator=None, callbacks=()):
    """The model split as it is trained, and the run."""
    model, estimator = MODELS[name](), estimator or bf.RGE(2)
    update = fitting(estimator, bf.chain(bf.clip(0.5), bf.SGD(0.02)))
    run = bf.train(
        model, (DIGITS.x, LABELS), estimator=estimator, update=update, batch_size=4, max_steps=steps,
        trainable=trainable, engine="compiled", callbacks=callbacks,
    )  # fmt: skip
    return model.train_only(trainable), run


PARTS = [("dense", "*.bias"), ("tt", "*.core1"), ("residual", ("tt_linear3.core0", "linear4.bias", "*7.weight"))]


@pytest.mark.parametrize(("name", "trainable"), PARTS, ids=str)
def test_the_device_trains_what_is_trainable_and_reads_the_rest_from_flash(tmp_path, name, trainable):
    model, run = trained(name, trainable, 8)
    built, result = on_device(tmp_path, model, run, 8)
    assert result.exit_code == 0 and f"{result.hash:016x}" == run.model.hash
    assert run.model.hash == bf.theta_hash(bf.replay(run.journal, model, engine="exact"))
    n_theta, n_frozen = model.graph.n_theta, model.graph.n_frozen
    assert n_frozen > 0 and result.read_symbol("theta", 4 * n_theta) == run.model.theta.tobytes()
    # The emulated flash cannot be written to: what is there after the run is what was burnt.
    assert result.read_symbol("model_frozen", 4 * n_frozen) == model.frozen.tobytes()
    image, flash = Image(built.elf), emulate.TARGETS["cortex-m4f"]
    address = image.address_of("model_frozen")
    assert flash.flash_origin <= address < flash.flash_origin + flash.flash_bytes
    (section,) = [part for part in image.sections if part.address <= address < part.address + part.size]
    assert section.name == ".bpfree_weights" and not section.writable
    assert emulate.footprint(built).weights_bytes == 4 * (n_theta + n_frozen)


def test_a_frozen_parameter_takes_no_ram(tmp_path):
    """Theta alone is what shrinks: four bytes for each that is frozen."""
    sizes = {}
    for trainable in ("*", "linear3.*"):
        model, run = trained("dense", trainable, 1)
        built, _ = on_device(tmp_path / trainable.strip("*."), model, run, 1)
        sizes[model.graph.n_frozen] = emulate.footprint(built)
    (none, whole), (frozen, part) = sizes.items()
    assert (none, frozen) == (0, 64 * 16 + 16)
    assert whole.ram_bytes - part.ram_bytes == 4 * frozen and whole.weights_bytes - part.weights_bytes in (0, 4)


@pytest.mark.parametrize(
    "estimator",
    [bf.RGE(3, grouping="tensor", two_sided=False), bf.RGE(2, direction="gaussian"), bf.CGE(0.4, order="cyclic"),
     bf.CGE(0.4, ratios="uniform"), bf.Hybrid(40), bf.UnitWise(), bf.CoordinateDescent(0.1, mu=0.05)],
    ids=show,
)  # fmt: skip
def test_every_estimator_of_a_device_leaves_the_frozen_alone(tmp_path, estimator):
    records = Recorder()
    model, run = trained("deep", ("linear1.bias", "linear4.weight", "linear9.*"), 3, estimator, records)
    _, result = on_device(tmp_path, model, run, 3)
    np.testing.assert_array_equal(result.words.view(np.float32), np.concatenate(records).ravel())
    assert result.exit_code == 0 and f"{result.hash:016x}" == run.model.hash
    exact = bf.train(model, (DIGITS.x, LABELS), estimator=estimator, update=run.trainer.update, batch_size=4,
                     max_steps=3, engine="exact")  # fmt: skip
    assert exact.model.hash == run.model.hash and exact.model.frozen_hash == model.frozen_hash


def test_a_trainer_of_another_split_is_refused(tmp_path):
    model, run = trained("dense", "linear3.*", 1)
    for other in (model.unfreeze("*"), model.freeze("*.bias")):
        with pytest.raises(ValueError, match="trainer: expected the trainer of this model"):
            firmware.export(other, tmp_path, trainer=run.trainer)
