"""Firmware whose samples have weights: the same bits as on the computer; without weights nothing is read for them."""

import numpy as np
import pytest
from device_records import gradient_of
from helpers import Recorder, show

import bpfree as bf
from bpfree.exporters import firmware

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from firmware_runs import DIGITS, LABELS, MODELS, PIXELS  # noqa: E402

from bpfree import emulate  # noqa: E402

W = np.random.default_rng(3).exponential(size=60)
WEIGHTED = firmware.Samples(PIXELS, labels=LABELS, scale=1 / 16, weights=W)


def trained(estimator, w=W, steps=3, name="deep", **more):
    model = MODELS[name]()
    data = (DIGITS.x, LABELS) if w is None else (DIGITS.x, LABELS, w)
    settings = {"update": bf.SGD(1.0 if estimator.coefficients_are == "moves" else 0.02), "batch_size": 4, "seed": 0}
    return model, bf.train(model, data, estimator=estimator, max_steps=steps, engine="exact", **settings, **more)


def on_device(folder, model, run, samples, steps=3):
    firmware.export(model, folder, trainer=run.trainer, samples=samples, steps=steps)
    return emulate.run_firmware(emulate.compile_firmware(folder))


@pytest.mark.parametrize("estimator", [bf.RGE(2), bf.CGE(0.1), bf.UnitWise()], ids=show)
def test_the_same_records_and_hash(tmp_path, estimator):
    records = Recorder()
    model, run = trained(estimator, callbacks=records)
    result = on_device(tmp_path, model, run, WEIGHTED)
    assert result.exit_code == 0
    sent = result.words.view(np.float32).reshape(len(records), -1)
    for words, record in zip(sent, records, strict=True):
        np.testing.assert_array_equal(gradient_of(run.trainer, words).reshape(record.shape), record)
    assert f"{result.hash:016x}" == run.model.hash != trained(estimator, None)[1].model.hash


def test_a_callback_of_ones_own_gives_the_weight(tmp_path):
    """Where it writes none the weight is 1; one that is negative is a bad sample; ten steps of them end the run.

    The exported samples have other weights, so that the program tells apart what it makes of these.
    """
    for line, expected in (("", -12), ("y->weight = -1.0f;", -11)):
        model, run, folder = *trained(bf.RGE(2), np.ones(60)), tmp_path / str(expected)
        firmware.export(model, folder, trainer=run.trainer, samples=WEIGHTED, steps=11 if expected else 3)
        source = (folder / "samples.c").read_text().replace("y->weight = weights[row];", f"(void)weights; {line}")
        (folder / "samples.c").write_text(source)
        result = emulate.run_firmware(emulate.compile_firmware(folder))
        assert result.exit_code == expected
        assert expected or f"{result.hash:016x}" == run.model.hash


def test_a_runtime_without_weights_refuses_a_trainer_with_them(tmp_path):
    model, run = trained(bf.RGE(2))
    firmware.export(model, tmp_path, trainer=run.trainer, samples=WEIGHTED, steps=3)
    config = tmp_path / "runtime" / "bpfree" / "config.h"
    config.write_text(config.read_text().replace("#define BPFREE_WEIGHTS 1", "#define BPFREE_WEIGHTS 0"))
    result = emulate.run_firmware(emulate.compile_firmware(tmp_path))
    assert result.exit_code == -1 and len(result.words) == 0  # BPFREE_ERR_ARG


def test_without_weights_nothing_of_them_is_there(tmp_path):
    model, run = trained(bf.RGE(2), None)
    on_device(tmp_path, model, run, DIGITS)
    assert "#define BPFREE_WEIGHTS 0" in (tmp_path / "runtime" / "bpfree" / "config.h").read_text()
    assert "weight" not in (tmp_path / "samples.c").read_text() + (tmp_path / "trainer.c").read_text()


@pytest.mark.parametrize(
    ("w", "given", "message"),
    [
        (W, None, "samples.weights: expected weights, as the trainer's samples have some, got None"),
        (None, W, "samples.weights: expected None, as the trainer reads none, got float64"),
        (W, W[:9], r"samples.weights: expected one weight a sample, shape \(60,\), got \(9,\)"),
        (W, -W, "samples.weights: expected finite weights >= 0"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, w, given, message):
    model, run = trained(bf.RGE(2), w, steps=1)
    samples = firmware.Samples(PIXELS, labels=LABELS, scale=1 / 16, weights=given)
    with pytest.raises(ValueError, match=message):
        firmware.export(model, tmp_path / "new", trainer=run.trainer, samples=samples)
    assert not (tmp_path / "new").exists()
