# SPDX-License-Identifier: MIT
"""Exported firmware on the emulated Cortex-M4F: the same bits, only what is used, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import Recorder, device_loop, fitting, show

import bpfree as bf
from bpfree.estimators import ESTIMATORS as TABLE
from bpfree.exporters import firmware
from bpfree.exporters.c_text import array, float_literal

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from bpfree import emulate  # noqa: E402

LABELS = np.arange(60) % 10
PIXELS = np.random.default_rng(5).integers(0, 17, (60, 64)).astype(np.uint8)
DIGITS = firmware.Samples(PIXELS, labels=LABELS, scale=1 / 16)
WAVES = firmware.Samples(
    np.random.default_rng(6).normal(size=(40, 6)).astype(np.float32),
    targets=np.random.default_rng(7).normal(size=(40, 2)).astype(np.float32),
)

MODELS = {
    "dense": lambda: bf.Sequential(64, [bf.Linear(16), bf.ReLU(), bf.Linear(10)], seed=1),
    "tt": lambda: bf.Sequential(
        64,
        [bf.TTLinear((4, 4, 4), (4, 4, 2), rank=3), bf.Tanh(), bf.TTLinear((4, 8), (1, 10), rank=2)],
        seed=2,
    ),
    "residual": lambda: bf.Sequential(
        (8, 8),
        [
            *(bf.Flatten(), bf.Scale(0.5, -0.25), bf.TTLinear(16, rank=2)),
            *(bf.Residual(bf.Linear(16), bf.Tanh()), bf.Linear(10)),
        ],
        seed=4,
    ),
    "deep": lambda: bf.Sequential(
        64,
        [
            *(bf.Linear(12), bf.Tanh(), bf.Scale(0.5, -0.25), bf.Linear(9, bias=False), bf.Sin()),
            *(bf.Residual(bf.Linear(9), bf.Sigmoid()), bf.Linear(10)),
        ],
        seed=6,
    ),
    "padded": lambda: bf.Sequential(
        6, [bf.TTLinear((2, 4), (3, 3), rank=2), bf.Tanh(), bf.Linear(2, bias=False)], seed=3
    ),
}


def trained(name, steps, *, loss="cross_entropy", samples=DIGITS, update=bf.SGD(0.02), **estimator):  # noqa: B008
    """A run of RGE in the compiled engine, and its starting model."""
    return trained_by(bf.RGE(**estimator), name, steps, loss, samples, update)


def trained_by(estimator, name, steps, loss="cross_entropy", samples=DIGITS, update=bf.SGD(0.02), callbacks=()):  # noqa: B008
    """The same with any estimator."""
    model = MODELS[name]()
    y = samples.labels if loss == "cross_entropy" else samples.targets
    run = bf.train(
        model, (samples.x, y), loss=loss, estimator=estimator, update=update, batch_size=4,
        max_steps=steps, engine="compiled", callbacks=callbacks,
    )  # fmt: skip
    return model, run


def on_device(folder, model, run, steps, samples=DIGITS, optimize="Os", **options):
    firmware.export(model, folder, trainer=run.trainer, samples=samples, steps=steps)
    built = emulate.compile_firmware(folder, optimize=optimize)
    return built, emulate.run_firmware(built, **options)


@pytest.mark.parametrize("name", ["dense", "tt", "residual"])
def test_100_steps_end_with_the_hash_of_all_engines(tmp_path, name):
    model, run = trained(name, 100, n_queries=2)
    _, result = on_device(tmp_path, model, run, 100)
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
def test_every_way_of_probing_gives_the_same_records(tmp_path, two_sided, grouping):
    model, run = trained("tt", 4, n_queries=3, two_sided=two_sided, grouping=grouping)
    _, result = on_device(tmp_path, model, run, 4)
    np.testing.assert_array_equal(result.words.view(np.float32), np.concatenate(run.journal.records).ravel())
    assert f"{result.hash:016x}" == run.model.hash


def all_symbols(built):
    """Names of functions and of data."""
    from elftools.elf.elffile import ELFFile

    with open(built.elf, "rb") as file:
        return {symbol.name for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols()}


def estimators_in(built):
    """C symbols of the estimators that were linked."""
    return all_symbols(built) & {row.c for row in TABLE}


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
def test_every_estimator_trains_on_the_device(tmp_path, estimator):
    """The same record and hash as on the computer and in NumPy; the work array is as large as C says."""
    records, name = Recorder(), "deep" if estimator.refusal(MODELS["tt"]().graph) else "tt"
    update = fitting(estimator, bf.chain(bf.clip(0.5), bf.SGD(0.02)))
    model, run = trained_by(estimator, name, 3, update=update, callbacks=records)
    built, result = on_device(tmp_path, model, run, 3)
    assert result.exit_code == 0
    np.testing.assert_array_equal(result.words.view(np.float32), np.concatenate(records).ravel())
    replayed = bf.replay(run.journal, run.trainer, model.theta, "exact")
    assert {f"{result.hash:016x}", run.model.hash} == {bf.theta_hash(replayed)}
    work = device_loop(run.trainer, DIGITS.x, LABELS.astype(np.uint32)).work.size
    assert f"#define TRAINER_WORK {work} " in (tmp_path / "model.h").read_text()
    assert estimators_in(built) == {run.trainer.rows["estimator"].c}


def test_estimators_that_are_not_used_are_not_linked(tmp_path):
    """RGE with signs, in a folder that holds all estimators: not a byte of the others."""
    model, run = trained("dense", 1)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=1)
    before = emulate.footprint(emulate.compile_firmware(tmp_path, optimize="Os")).flash_bytes
    for path in (firmware.runtime_folder() / "src").glob("est_*.c"):
        (tmp_path / "runtime" / path.name).write_text(path.read_text())
    built = emulate.compile_firmware(tmp_path, optimize="Os")
    assert estimators_in(built) == {"bpfree_est_rge"}
    assert emulate.footprint(built).flash_bytes == before


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
def test_every_update_runs_on_the_device(tmp_path, update):
    model, run = trained("dense", 8, update=update, n_queries=1)
    built, result = on_device(tmp_path, model, run, 8)
    assert f"{result.hash:016x}" == run.model.hash
    state = sum(part.size for part in run.trainer.initial_state(model.theta))
    assert f"#define TRAINER_STATE {state} " in (tmp_path / "model.h").read_text()


@pytest.mark.parametrize("order", ["random", "cyclic"])
def test_stale_partial_derivatives_are_kept_on_the_device(tmp_path, order):
    """More than two cycles, with blocks that do not come out even."""
    update = bf.chain(bf.clip(0.5), bf.Stale(0.9), bf.WeightDecay(1e-3), bf.Adam(0.01))
    model, run = trained_by(bf.CGE(0.3, two_sided=False, order=order), "tt", 9, update=update)
    _, result = on_device(tmp_path, model, run, 9)
    assert f"{result.hash:016x}" == run.model.hash and model.theta.size % 4
    assert f"#define TRAINER_STATE {3 * model.theta.size + 2} " in (tmp_path / "model.h").read_text()


def test_a_window_of_drawn_directions_has_room_for_their_weights(tmp_path):
    update = bf.chain(bf.clip(0.5), bf.WindowMomentum(0.02, window=3))
    model, run = trained_by(bf.RGE(2, direction="sphere", grouping="layer"), "tt", 5, update=update)
    _, result = on_device(tmp_path, model, run, 5)
    assert f"{result.hash:016x}" == run.model.hash
    loop = device_loop(run.trainer, DIGITS.x, LABELS.astype(np.uint32))
    text = (tmp_path / "model.h").read_text()
    assert f"#define TRAINER_WORK {loop.work.size} " in text and f"#define TRAINER_STATE {loop.state.size} " in text


def test_mu_may_follow_a_schedule_on_the_device(tmp_path):
    model, run = trained("dense", 6, n_queries=2, mu=bf.linear_decay(0.1, steps=4, end=0.01))
    _, result = on_device(tmp_path, model, run, 6)
    assert f"{result.hash:016x}" == run.model.hash


def test_float_samples_targets_and_padding(tmp_path):
    model, run = trained("padded", 20, loss="mse", samples=WAVES, n_queries=1)
    _, result = on_device(tmp_path, model, run, 20, samples=WAVES, optimize="O2")
    assert f"{result.hash:016x}" == run.model.hash


def test_only_referenced_kernels_are_linked(tmp_path):
    model, run = trained("dense", 1)
    built, _ = on_device(tmp_path, model, run, 1)
    names = emulate.symbols(built)
    assert {"bpfree_op_linear", "bpfree_op_relu", "bpfree_loss_softmax_cross_entropy"} <= names
    unused = ("op_tt_linear", "op_tanh", "loss_mse", "registry", "evaluate", "predict", "perturb")
    assert [name for name in names if any(part in name for part in unused)] == []


def test_a_kernel_nobody_names_is_dropped_by_the_linker(tmp_path):
    model, run = trained("dense", 1)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=1)
    extra = (firmware.runtime_folder() / "src" / "op_tanh.c").read_text()
    (tmp_path / "runtime" / "op_tanh.c").write_text(extra)
    assert "bpfree_op_tanh" not in emulate.symbols(emulate.compile_firmware(tmp_path))


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_slopes_and_closed_forms_are_linked_only_where_they_are_used(tmp_path, loss):
    samples, name = (DIGITS, "dense") if loss == "cross_entropy" else (WAVES, "padded")
    linked = {}
    for estimator in (bf.RGE(), bf.UnitWise()):
        model = MODELS[name]() if name == "dense" else bf.Sequential(6, [bf.Linear(4), bf.ReLU(), bf.Linear(2)])
        trainer = bf.Trainer(model.graph, model.frozen, loss, estimator, bf.SGD(0.02), batch_size=4)
        firmware.export(model, tmp_path, trainer=trainer, samples=samples, steps=1)
        for path in (firmware.runtime_folder() / "src").glob("op_*.c"):
            (tmp_path / "runtime" / path.name).write_text(path.read_text())
        names = all_symbols(emulate.compile_firmware(tmp_path))
        linked[type(estimator)] = {n for n in names if "slope" in n or "closed" in n}
    row = "softmax_cross_entropy" if loss == "cross_entropy" else loss
    assert linked == {bf.RGE: set(), bf.UnitWise: {"bpfree_slope_relu", f"bpfree_closed_{row}"}}


def test_kernels_perturb_on_read_only_for_the_estimator_that_wants_it(tmp_path):
    """The same bits, and 1.5 KB less; est_rge.c beside it does not compile, which is better than learning nothing."""
    config, sizes = tmp_path / "runtime" / "bpfree" / "config.h", {}
    signs = [bf.Hybrid(), bf.RGE(direction="hadamard"), bf.RGE()]
    for estimator, on_read in (*((one, 1) for one in signs), (bf.CGE(0.01), 0)):
        model = MODELS["dense"]()
        trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", estimator, bf.SGD(0.02), batch_size=1)
        firmware.export(model, tmp_path, trainer=trainer, samples=DIGITS, steps=1)
        assert f"#define BPFREE_PROBE_ON_READ {on_read}\n" in config.read_text()
        rows = int(isinstance(estimator, bf.Hybrid) or getattr(estimator, "direction", "") == "hadamard")
        assert f"#define BPFREE_HADAMARD_ROWS {rows}\n" in config.read_text()
    for on_read in (1, 0):
        config.write_text(config.read_text().replace("PROBE_ON_READ 0\n", f"PROBE_ON_READ {on_read}\n"))
        built = emulate.compile_firmware(tmp_path, optimize="Os")
        sizes[on_read] = emulate.footprint(built).flash_bytes, emulate.run_firmware(built).hash
        config.write_text(config.read_text().replace("PROBE_ON_READ 1\n", "PROBE_ON_READ 0\n"))
    assert sizes[1][1] == sizes[0][1] and sizes[1][0] - sizes[0][0] > 1000
    (tmp_path / "runtime" / "est_rge.c").write_text((firmware.runtime_folder() / "src" / "est_rge.c").read_text())
    with pytest.raises(emulate.FirmwareBuildError, match="directions of signs need kernels"):
        emulate.compile_firmware(tmp_path, optimize="Os")


@pytest.mark.parametrize("optimize", ["Os", "O3"])
def test_no_fused_multiply_add(tmp_path, optimize):
    model, run = trained("tt", 1)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=1)
    built = emulate.compile_firmware(tmp_path, optimize=optimize)
    assert emulate.fused_instructions(built) == []
    assert any(mnemonic.startswith("vmul") for mnemonic in emulate.disassemble(built))


def test_mlp_64_32_10_step_fits_its_budgets(tmp_path):
    """One two-sided step, one sample, one query: at most 65,000 instructions, RAM theta + O(1)."""
    model = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=0)
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(), bf.SGD(0.01), batch_size=1)
    firmware.export(model, tmp_path, trainer=trainer, samples=DIGITS, steps=2)
    built = emulate.compile_firmware(tmp_path, optimize="Os")
    marks = (firmware.MARK_STEP, firmware.MARK_STEP_DONE)
    result = emulate.run_firmware(built, count_between=marks)
    assert 30_000 < result.instructions <= 65_000
    sizes = emulate.footprint(built)
    arena, sample = 2 * (32 + 10), 64
    floats = model.graph.n_theta + arena + sample
    assert sizes.ram_bytes <= 4 * floats + 128
    assert sizes.flash_bytes < 11_600, "the back-propagation library it stands beside needs 11.6 KB"


def test_unit_wise_learns_from_a_sample_in_fewer_instructions_than_back_propagation(tmp_path):
    """MLP 64-32-10, batch 1: under 100,000 instructions (AIfES 424,750), two copies of theta, flash under 9.5 KB."""
    model = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=0)
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.UnitWise(), bf.SGD(0.01), batch_size=1)
    firmware.export(model, tmp_path, trainer=trainer, samples=DIGITS, steps=2)
    built = emulate.compile_firmware(tmp_path, optimize="Os")
    marks = (firmware.MARK_STEP, firmware.MARK_STEP_DONE)
    assert 30_000 < emulate.run_firmware(built, count_between=marks).instructions <= 100_000
    sizes = emulate.footprint(built)
    arena, work, sample = 64, 10 + 32, 64
    assert sizes.ram_bytes <= 4 * (2 * model.graph.n_theta + arena + work + sample) + 128
    assert sizes.flash_bytes < 9_500


def test_a_device_without_a_sample_reports_a_status(tmp_path):
    model, run = trained("dense", 1)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=3)
    source = (tmp_path / "samples.c").read_text()
    (tmp_path / "samples.c").write_text(source.replace("  return 0;", "  return step == 1 ? -1 : 0;"))
    result = emulate.run_firmware(emulate.compile_firmware(tmp_path))
    assert result.exit_code == -11  # BPFREE_ERR_CALLBACK
    assert len(result.words) == 1  # the step before was recorded, this one was not
    assert f"{result.hash:016x}" == run.model.hash  # and theta is as it left it


def test_without_samples_the_user_writes_the_function(tmp_path):
    model, run = trained("dense", 1)
    firmware.export(model, tmp_path, trainer=run.trainer)
    with pytest.raises(emulate.FirmwareBuildError, match="sample"):
        emulate.compile_firmware(tmp_path)
    (tmp_path / "sensor.c").write_text("""
#include "model.h"
int sample(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y)
{
  (void)user;
  for (uint32_t k = 0; k < MODEL_FEATURES; k++) x[k] = (float)(k + i) * 0x1p-6f;
  y->label = (step + i) % MODEL_OUTPUTS;
  return 0;
}
""")
    result = emulate.run_firmware(emulate.compile_firmware(tmp_path))
    assert result.exit_code == 0
    assert len(result.words) == 100


BAD = {
    "target": ({"target": "z80"}, "target: expected one of cortex-m4f"),
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
def test_what_does_not_fit_is_named(tmp_path, case):
    model, run = trained("dense", 1)
    changes, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        firmware.export(model, tmp_path, **{"trainer": run.trainer, "samples": DIGITS, "steps": 1, **changes})


def test_names_from_a_file_cannot_leave_their_comment(tmp_path):
    from bpfree.graph.layers import assemble, initial_parameters

    name = 'a*/ int evil(void); /*"\\'
    graph = assemble((64,), [("linear", name, ["input"], {"outputs": 10, "bias": True})])
    model = bf.Model(graph, *initial_parameters(graph, 0))
    run = bf.train(model, (DIGITS.x, LABELS), max_steps=2, batch_size=4, engine="compiled")
    _, result = on_device(tmp_path, model, run, 2)
    assert f"{result.hash:016x}" == run.model.hash
    assert "evil(" not in (tmp_path / "model.c").read_text()


def test_a_trainer_of_another_model_is_refused(tmp_path):
    model, _ = trained("dense", 1)
    _, other = trained("tt", 1)
    with pytest.raises(ValueError, match="trainer: expected the trainer of this model"):
        firmware.export(model, tmp_path, trainer=other.trainer)
    with pytest.raises(TypeError, match="model, trainer: expected a Model and a Trainer"):
        firmware.export(other, tmp_path, trainer=other.trainer)


def test_exporting_again_keeps_what_the_user_wrote_and_drops_what_is_stale(tmp_path):
    model, run = trained("dense", 1)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=1)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=77)
    assert "STEPS = 77" in (tmp_path / "main.c").read_text()
    for mine in ("main.c", "port/port.c"):
        (tmp_path / mine).write_text("/* mine */\n")
    firmware.export(model, tmp_path, trainer=run.trainer, steps=1)
    assert (tmp_path / "main.c").read_text() == (tmp_path / "port" / "port.c").read_text() == "/* mine */\n"
    assert not (tmp_path / "samples.c").exists()


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-45, 3.4e38, 1 / 3])
def test_float_literals_keep_their_bits(value):
    text = float_literal(value)
    assert np.float32(float.fromhex(text.removesuffix("f"))).tobytes() == np.float32(value).tobytes()


def test_not_a_number_has_no_literal():
    with pytest.raises(ValueError, match="finite"):
        array("static const float x", map(float_literal, [float("nan")]))


def test_the_runtime_has_no_memory_of_its_own(tmp_path):
    """All RAM is the program's arrays: no variable of the runtime lies there, and no libc or libm is linked."""
    from elftools.elf.elffile import ELFFile

    model, run = trained("tt", 1)
    built, _ = on_device(tmp_path, model, run, 1)
    with open(built.elf, "rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        ram = range(built.target.ram_origin, built.target.ram_origin + built.target.ram_bytes)
        objects = [s for s in symbols.iter_symbols() if s["st_info"]["type"] == "STT_OBJECT"]
    in_ram = {s.name for s in objects if s["st_value"] in ram}
    assert in_ram == {"theta", "x", "arena", "record"}
    libc = {"malloc", "free", "printf", "expf", "logf", "tanhf", "sqrtf", "exp", "log", "tanh"}
    assert not emulate.symbols(built) & libc
