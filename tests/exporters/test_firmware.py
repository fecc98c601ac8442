# SPDX-License-Identifier: MIT
"""Exported firmware on the emulated Cortex-M4F: the same bits, and what does not fit is named."""

from __future__ import annotations

import os

import numpy as np
import pytest
from helpers import Recorder, device_loop, fitting, show

import bpfree as bf
from bpfree.exporters import firmware
from bpfree.exporters.c_text import array, float_literal
from bpfree.exporters.folder import marked

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from firmware_runs import DIGITS, LABELS, MODELS, PIXELS, WAVES, estimators_in, on_device, trained, trained_by  # noqa: E402

from bpfree import emulate  # noqa: E402


@pytest.mark.parametrize("name", ["dense", "tt", "residual"])
def test_100_steps_end_with_the_hash_of_all_engines(workshop, name):
    model, run = trained(name, 100, n_queries=2)
    _, result = on_device(workshop, model, run, 100)
    exact = bf.train(
        model, (DIGITS.x, LABELS), estimator=run.trainer.estimator, update=bf.SGD(0.02), batch_size=4,
        max_steps=100, engine="exact",
    )  # fmt: skip
    assert result.exit_code == 0
    assert {f"{result.hash:016x}", run.model.hash} == {exact.model.hash}
    theta = np.frombuffer(result.read_symbol("theta", model.graph.n_theta * 4), np.float32)
    np.testing.assert_array_equal(theta, exact.model.theta)


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("grouping", ["joint", "layer", "tensor"])
def test_every_way_of_probing_gives_the_same_records(workshop, two_sided, grouping):
    model, run = trained("tt", 4, n_queries=3, two_sided=two_sided, grouping=grouping)
    _, result = on_device(workshop, model, run, 4)
    np.testing.assert_array_equal(result.words.view(np.float32), np.concatenate(run.journal.records).ravel())
    assert f"{result.hash:016x}" == run.model.hash


ESTIMATORS = [
    bf.RGE(3, direction="gaussian", grouping="layer"),
    bf.RGE(2, direction="gaussian", two_sided=False),
    bf.RGE(3, direction="sphere", two_sided=False, grouping="tensor"),
    bf.RGE(2, direction="sphere", scale="dim"),
    bf.RGE(3, direction="hadamard", grouping="tensor"),
    bf.RGE(2, direction="hadamard", two_sided=False),
    bf.Hybrid(40),
    bf.CoordinateDescent(0.1, mu=0.05),
    bf.CGE(),
    bf.CGE(fraction=0.3, two_sided=False, rescale=True),
    bf.CGE(fraction=0.9),
    bf.CGE(fraction=0.4, order="cyclic", rescale=True),
    bf.UnitWise(),
    bf.UnitWise(2.0**-9, two_sided=False, head="probe"),
    bf.UnitWise(bf.linear_decay(0.1, steps=3, end=0.01)),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=show)
def test_every_estimator_trains_on_the_device(workshop, estimator):
    """The same record and hash as on the computer and in NumPy; the work array is as large as C says."""
    records, refused = Recorder(), estimator.row.device.refusal(estimator, MODELS["tt"]().graph)
    name = "deep" if refused else "tt"
    update = fitting(estimator, bf.chain(bf.clip(0.5), bf.SGD(0.02)))
    model, run = trained_by(estimator, name, 3, update=update, callbacks=records)
    built, result = on_device(workshop, model, run, 3)
    assert result.exit_code == 0
    np.testing.assert_array_equal(result.words.view(np.float32), np.concatenate(records).ravel())
    replayed = bf.replay(run.journal, run.trainer, model.theta, "exact")
    assert {f"{result.hash:016x}", run.model.hash} == {bf.theta_hash(replayed)}
    work = device_loop(run.trainer, DIGITS.x, LABELS.astype(np.uint32)).work.size
    assert f"#define TRAINER_WORK {work} " in (workshop / "model.h").read_text()
    assert estimators_in(built) == {run.trainer.rows["estimator"].c}


@pytest.mark.parametrize(
    "update",
    [
        bf.Momentum(0.02),
        bf.SignSGD(0.002),
        bf.chain(bf.clip(0.05), bf.WeightDecay(0.01), bf.Adam(0.01)),
        bf.chain(bf.clip(0.01), bf.SGD(0.1)),
        bf.SGD(bf.cosine_decay(0.1, steps=6, end=0.01, warmup=2)),
        bf.chain(bf.Momentum(bf.exponential_decay(0.1, 0.8)), bf.WeightDecay(1e-3)),
        bf.chain(bf.clip(0.05), bf.WindowMomentum(bf.power_decay(0.1), window=3), bf.Normalize()),
    ],
    ids=["momentum", "sign", "chain", "clip", "schedule", "schedule of a chain", "window"],
)
def test_every_update_runs_on_the_device(workshop, update):
    model, run = trained("dense", 8, update=update, n_queries=1)
    built, result = on_device(workshop, model, run, 8)
    assert f"{result.hash:016x}" == run.model.hash
    state = sum(part.size for part in run.trainer.initial_state(model.theta))
    assert f"#define TRAINER_STATE {state} " in (workshop / "model.h").read_text()


@pytest.mark.parametrize("order", ["random", "cyclic"])
def test_stale_partial_derivatives_are_kept_on_the_device(workshop, order):
    """More than two cycles, with blocks that do not come out even."""
    update = bf.chain(bf.clip(0.5), bf.Stale(0.9), bf.WeightDecay(1e-3), bf.Adam(0.01))
    model, run = trained_by(bf.CGE(0.3, two_sided=False, order=order), "tt", 9, update=update)
    _, result = on_device(workshop, model, run, 9)
    assert f"{result.hash:016x}" == run.model.hash and model.theta.size % 4
    assert f"#define TRAINER_STATE {3 * model.theta.size + 2} " in (workshop / "model.h").read_text()


def test_a_window_of_drawn_directions_has_room_for_their_weights(workshop):
    update = bf.chain(bf.clip(0.5), bf.WindowMomentum(0.02, window=3))
    model, run = trained_by(bf.RGE(2, direction="sphere", grouping="layer"), "tt", 5, update=update)
    _, result = on_device(workshop, model, run, 5)
    assert f"{result.hash:016x}" == run.model.hash
    loop = device_loop(run.trainer, DIGITS.x, LABELS.astype(np.uint32))
    text = (workshop / "model.h").read_text()
    assert f"#define TRAINER_WORK {loop.work.size} " in text and f"#define TRAINER_STATE {loop.state.size} " in text


def test_mu_may_follow_a_schedule_on_the_device(workshop):
    model, run = trained("dense", 6, n_queries=2, mu=bf.linear_decay(0.1, steps=4, end=0.01))
    _, result = on_device(workshop, model, run, 6)
    assert f"{result.hash:016x}" == run.model.hash


def test_float_samples_targets_and_padding(workshop):
    model, run = trained("padded", 20, loss="mse", samples=WAVES, n_queries=1)
    _, result = on_device(workshop, model, run, 20, samples=WAVES, optimize="O2")
    assert f"{result.hash:016x}" == run.model.hash


def test_a_device_without_a_sample_skips_the_step_and_many_report_a_status(workshop):
    model, run = trained("dense", 1)
    firmware.export(model, workshop, trainer=run.trainer, samples=DIGITS, steps=30)
    source = (workshop / "samples.c").read_text()
    (workshop / "samples.c").write_text(source.replace("  return 0;", "  return step ? -1 : 0;"))
    result = emulate.run_firmware(emulate.compile_firmware(workshop))
    assert result.exit_code == -11  # BPFREE_ERR_CALLBACK
    assert len(result.words) == 1  # the step before was recorded, these were not
    assert f"{result.hash:016x}" == run.model.hash  # and theta is as it left it


def test_without_samples_the_user_writes_the_function(workshop):
    model, run = trained("dense", 1)
    firmware.export(model, workshop, trainer=run.trainer)
    with pytest.raises(emulate.FirmwareBuildError, match="sample"):
        emulate.compile_firmware(workshop)
    (workshop / "sensor.c").write_text("""
#include "model.h"
int sample(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y)
{
  (void)user;
  for (uint32_t k = 0; k < MODEL_FEATURES; k++) x[k] = (float)(k + i) * 0x1p-6f;
  y->label = (step + i) % MODEL_OUTPUTS;
  return 0;
}
""")
    result = emulate.run_firmware(emulate.compile_firmware(workshop))
    assert result.exit_code == 0
    assert len(result.words) == 100


BAD = {
    "target": ({"target": "z80"}, "target: expected one of .*'cortex-m4f', .*'host', got 'z80'"),
    "steps": ({"steps": 0}, "steps: expected an integer >= 1"),
    "width": ({"samples": firmware.Samples(PIXELS[:, :9], labels=LABELS)}, r"samples.rows: .*\(n, 64\)"),
    "dtype": ({"samples": firmware.Samples(PIXELS.astype(float), labels=LABELS)}, "uint8 or float32"),
    "few": ({"samples": firmware.Samples(PIXELS[:2], labels=LABELS[:2])}, "at least batch_size=4"),
    "labels": ({"samples": firmware.Samples(PIXELS, labels=LABELS[:5])}, r"expected integer of shape \(60,\), got"),
    "none": ({"samples": firmware.Samples(PIXELS)}, "samples.labels"),
    "negative": ({"samples": firmware.Samples(PIXELS, labels=LABELS - 1)}, r"labels in \[0, 9\], got -1 to 8"),
    "real": ({"samples": firmware.Samples(PIXELS, labels=LABELS * 0.5)}, "expected integer of shape"),
    "range": ({"samples": firmware.Samples(PIXELS, labels=LABELS + 1)}, r"labels in \[0, 9\], got 1 to 10"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_named(workshop, case):
    model, run = trained("dense", 1)
    changes, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        firmware.export(model, workshop, **{"trainer": run.trainer, "samples": DIGITS, "steps": 1, **changes})


def test_names_from_a_file_cannot_leave_their_comment(workshop):
    from bpfree.graph.layers import assemble, initial_parameters

    name = 'a*/ int evil(void); /*"\\'
    graph = assemble((64,), [("linear", name, ["input"], {"outputs": 10, "bias": True})])
    model = bf.Model(graph, *initial_parameters(graph, 0))
    run = bf.train(model, (DIGITS.x, LABELS), max_steps=2, batch_size=4, engine="compiled")
    _, result = on_device(workshop, model, run, 2)
    assert f"{result.hash:016x}" == run.model.hash
    assert "evil(" not in (workshop / "model.c").read_text()


def test_a_trainer_of_another_model_is_refused(workshop):
    model, _ = trained("dense", 1)
    _, other = trained("tt", 1)
    with pytest.raises(ValueError, match="trainer: expected the trainer of this model"):
        firmware.export(model, workshop, trainer=other.trainer)
    with pytest.raises(TypeError, match="model, trainer: expected a Model and a Trainer"):
        firmware.export(other, workshop, trainer=other.trainer)


def test_a_second_export_touches_only_what_changes(tmp_path):
    model, run = trained("dense", 1)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=1)
    (tmp_path / "runtime" / "op_left_over.c").write_bytes(marked("int left_over;\n"))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    for path in files:
        os.utime(path, ns=(0, 0))
    other = bf.Model(model.graph, model.theta + 1, model.frozen)
    firmware.export(other, tmp_path, trainer=run.trainer, samples=DIGITS, steps=1)
    assert {path.name for path in files if not path.exists()} == {"op_left_over.c"}
    assert {path.name for path in files if path.exists() and path.stat().st_mtime_ns} == {"model.c", "model.h"}


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-45, 3.4e38, 1 / 3])
def test_float_literals_keep_their_bits(value):
    text = float_literal(value)
    assert np.float32(float.fromhex(text.removesuffix("f"))).tobytes() == np.float32(value).tobytes()


def test_not_a_number_has_no_literal():
    with pytest.raises(ValueError, match="finite"):
        array("static const float x", map(float_literal, [float("nan")]))
