# SPDX-License-Identifier: MIT
"""Bad samples and overflows on a device: the step is skipped, theta is kept, and a replay goes the same way."""

import numpy as np
import pytest

import bpfree as bf
from bpfree.estimators.step import MOST_SKIPPED
from bpfree.exporters import firmware

for package in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from bpfree import emulate  # noqa: E402
from bpfree.journal.format import Reason  # noqa: E402
from bpfree.updates.coefficient_limit import coefficient_limit  # noqa: E402

MODEL = bf.Sequential(8, [bf.Linear(6), bf.ReLU(), bf.Linear(3)])
SENSOR = """\
#include "model.h"

int sample(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y)
{
  (void)user;
  if (%s) return -1;
  for (uint32_t k = 0; k < MODEL_FEATURES; k++) x[k] = (float)((step * 7 + i * 3 + k) %% 5) * 0.25f;
  if (%s) x[i] = %s;
  y->label = (%s) ? 99 : (step + i) %% MODEL_OUTPUTS;
  return 0;
}
"""
NAN = '__builtin_nanf("")'
DECAYED = bf.chain(bf.WeightDecay(0.01), bf.Adam(0.1))
UPDATES = [bf.SGD(0.5), bf.Momentum(0.1), bf.WindowMomentum(0.1, window=2), DECAYED]


def of(update, estimator=None):
    estimator = bf.RGE(2) if estimator is None else estimator
    return bf.Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", estimator, update, batch_size=2, seed=3)


def on_device(folder, trainer, lost="0", bad="0", value=NAN, label="0", steps=8):
    firmware.export(MODEL, folder, trainer=trainer, steps=steps)
    (folder / "samples.c").write_text(SENSOR % (lost, bad, value, label))
    return emulate.run_firmware(emulate.compile_firmware(folder, optimize="Os"))


def retold(trainer, result, steps, reason):
    """The journal that a device's words and marks make, and the steps it skipped."""
    journal, words = bf.Journal(MODEL.hash, trainer.settings()), iter(result.words.view("f4").reshape(-1, 2))
    numbers = [m.number for m in result.marks] + [firmware.MARK_STEP]
    for step in range(steps):
        numbers = numbers[numbers.index(firmware.MARK_STEP_DONE) + 1 :]
        if numbers[0] == firmware.MARK_SKIPPED:
            journal.skip(step, reason)
        else:
            journal.append(next(words)[None])
    assert next(words, None) is None
    return journal


@pytest.mark.parametrize("update", UPDATES, ids=repr)
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"lost": "step == 2 && i == 1"}, Reason.SAMPLE),
        ({"label": "step == 2 && i == 1"}, Reason.SAMPLE),
        ({"bad": "step == 2 || step == 5"}, Reason.NUMERIC),
        ({"bad": "step == 0", "value": "__builtin_inff()"}, Reason.NUMERIC),
    ],
    ids=["lost", "label", "nan", "infinite"],
)
def test_a_bad_sample_costs_one_step(tmp_path, update, what, reason):
    trainer, steps = of(update), 8
    result = on_device(tmp_path / "fw", trainer, **what, steps=steps)
    assert result.exit_code == 0
    journal = retold(trainer, result, steps, reason)
    expected = [step for step in range(steps) if f"step == {step}" in "".join(what.values())]
    assert expected and [skip.step for skip in journal.skips] == expected
    for engine in ("exact", "compiled"):
        assert bf.graph.theta_hash(bf.replay(journal, MODEL, engine=engine)) == f"{result.hash:016x}"
    journal.write(tmp_path / "run.journal")
    assert [skip.code for skip in bf.Journal.read(tmp_path / "run.journal").skips] == [reason] * len(journal.skips)


def test_ten_bad_steps_in_a_row_end_the_run(tmp_path):
    result = on_device(tmp_path / "fw", of(bf.SGD(0.5)), lost="step > 2", steps=99)
    assert result.exit_code & 0xFF == 256 - 11
    assert [m.number for m in result.marks].count(firmware.MARK_SKIPPED) == MOST_SKIPPED - 1, "the tenth ends it"


@pytest.mark.parametrize("update", [bf.SGD(1e38), bf.chain(bf.WeightDecay(1e30), bf.Adam(1e30))], ids=repr)
def test_an_overflow_leaves_the_last_finite_theta(tmp_path, update):
    """Firmware of an update that is not known to be safe tries its steps: it decides as Python does."""
    trainer = of(update)
    result = on_device(tmp_path / "fw", trainer, steps=4)
    assert "LOOK_FIRST 1" in (tmp_path / "fw" / "runtime" / "bpfree" / "config.h").read_text()
    theta = np.frombuffer(result.read_symbol("theta", 4 * MODEL.graph.n_theta), "f4")
    assert np.isfinite(theta).all() and bf.graph.theta_hash(theta) == f"{result.hash:016x}"
    journal = retold(trainer, result, 4, Reason.NUMERIC)
    assert journal.skips and bf.graph.theta_hash(bf.replay(journal, MODEL)) == f"{result.hash:016x}"


def test_firmware_compares_with_a_limit_where_one_is_known(tmp_path):
    trainer = of(bf.SGD(0.01))
    samples = firmware.Samples(np.zeros((4, 8), np.uint8), labels=np.zeros(4, int))
    firmware.export(MODEL, tmp_path, trainer=trainer, samples=samples)
    assert ".coefficient_limit = 0x1.0p+9" in (tmp_path / "trainer.c").read_text()


FADING = bf.chain(bf.WeightDecay(1e-3), bf.SGD(1e-28))


@pytest.mark.parametrize(("update", "scale"), [(bf.Adam(0.01), 3e8), (bf.SignSGD(0.01), 1e14), (FADING, 1e14)])
def test_beyond_the_limit_a_device_makes_the_steps_of_python(tmp_path, update, scale):
    """The same hash; a program that is compiled not to try such steps gives them up."""
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("f4") * np.float32(scale)
    y, model = x[:, :1] * 2, bf.Sequential(4, [bf.Linear(1)], seed=1)
    run = bf.train(model, (x, y), loss="mse", batch_size=8, update=update, max_steps=5)
    limit = coefficient_limit(run.trainer, model.theta)
    assert run.outcome_code == "done" and not run.journal.skips and 0 < limit < abs(run.coefficients).max()
    firmware.export(model, tmp_path, trainer=run.trainer, samples=firmware.Samples(x, targets=y), steps=5)
    result = emulate.run_firmware(emulate.compile_firmware(tmp_path))
    assert result.exit_code == 0 and f"{result.hash:016x}" == run.model.hash
    config = tmp_path / "runtime" / "bpfree" / "config.h"
    config.write_text(config.read_text().replace("LOOK_FIRST 1", "LOOK_FIRST 0"))
    result = emulate.run_firmware(emulate.compile_firmware(tmp_path))
    assert [m.number for m in result.marks].count(firmware.MARK_SKIPPED) > 0


def test_samples_in_flash_that_overflow_the_loss_cost_the_steps_that_train_gives_up(tmp_path):
    """Finite rows, one of which has a square that is not: Python and the device give the same two steps up."""
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("f4")
    y, model = x[:, :1] * 2, bf.Sequential(4, [bf.Linear(1)], seed=1)
    x[5] = 1e30
    run = bf.train(model, (x, y), loss="mse", batch_size=8, update=bf.SGD(0.05), max_steps=15)
    skipped = [skip.step for skip in run.journal.skips]
    assert run.outcome_code == "done" and len(skipped) == 2 and max(skipped) < 14
    firmware.export(model, tmp_path, trainer=run.trainer, samples=firmware.Samples(x, targets=y), steps=15)
    result = emulate.run_firmware(emulate.compile_firmware(tmp_path))
    assert result.exit_code == 0 and f"{result.hash:016x}" == run.model.hash
    numbers = [m.number for m in result.marks]
    given_up = [k for k, number in enumerate(numbers) if number == firmware.MARK_SKIPPED]
    assert [numbers[:k].count(firmware.MARK_STEP) - 1 for k in given_up] == skipped


@pytest.mark.parametrize("scale", [3e38, np.inf, np.nan, 1e300])
def test_bytes_that_overflow_when_they_are_scaled_are_refused(tmp_path, scale):
    samples = firmware.Samples(np.full((4, 8), 200, np.uint8), labels=np.zeros(4, int), scale=scale)
    with pytest.raises(ValueError, match="^samples.rows times samples.scale: expected finite float32 numbers"):
        firmware.export(MODEL, tmp_path / "fw", trainer=of(bf.SGD(0.01)), samples=samples)
    assert not (tmp_path / "fw").exists()
