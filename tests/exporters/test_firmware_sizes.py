# SPDX-License-Identifier: MIT
"""What exported firmware takes: only what is used is linked, options leave code out, budgets hold."""

from __future__ import annotations

import pytest
from helpers import as_exported, show

import bpfree as bf
from bpfree.exporters import firmware

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from firmware_runs import DIGITS, MODELS, WAVES, all_symbols, estimators_in, on_device, trained, trained_by  # noqa: E402

from bpfree import emulate  # noqa: E402


def test_estimators_that_are_not_used_are_not_linked(workshop):
    """RGE with signs, in a folder that holds all estimators: not a byte of the others."""
    model, run = trained("dense", 1)
    firmware.export(model, workshop, trainer=run.trainer, samples=DIGITS, steps=1)
    before = emulate.footprint(emulate.compile_firmware(workshop, optimize="Os")).flash_bytes
    for path in (firmware.runtime_folder() / "src").glob("est_*.c"):
        (workshop / "runtime" / path.name).write_text(path.read_text())
    built = emulate.compile_firmware(workshop, optimize="Os")
    assert estimators_in(built) == {"bpfree_est_rge"}
    assert emulate.footprint(built).flash_bytes == before


def test_only_referenced_kernels_are_linked(workshop):
    model, run = trained("dense", 1)
    built, _ = on_device(workshop, model, run, 1)
    names = emulate.symbols(built)
    assert {"bpfree_op_linear", "bpfree_op_relu", "bpfree_loss_softmax_cross_entropy"} <= names
    unused = ("op_tt_linear", "op_tanh", "loss_mse", "registry", "evaluate", "predict", "perturb")
    assert [name for name in names if any(part in name for part in unused)] == []


def test_a_kernel_nobody_names_is_dropped_by_the_linker(workshop):
    model, run = trained("dense", 1)
    firmware.export(model, workshop, trainer=run.trainer, samples=DIGITS, steps=1)
    extra = (firmware.runtime_folder() / "src" / "op_tanh.c").read_text()
    (workshop / "runtime" / "op_tanh.c").write_text(extra)
    assert "bpfree_op_tanh" not in emulate.symbols(emulate.compile_firmware(workshop))


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_slopes_and_closed_forms_are_linked_only_where_they_are_used(workshop, loss):
    samples, name = (DIGITS, "dense") if loss == "cross_entropy" else (WAVES, "padded")
    linked = {}
    for estimator in (bf.RGE(), bf.UnitWise()):
        model = MODELS[name]() if name == "dense" else bf.Sequential(6, [bf.Linear(4), bf.ReLU(), bf.Linear(2)])
        trainer = bf.Trainer(model.graph, model.frozen, loss, estimator, bf.SGD(0.02), batch_size=4)
        firmware.export(model, workshop, trainer=trainer, samples=samples, steps=1)
        for path in (firmware.runtime_folder() / "src").glob("op_*.c"):
            (workshop / "runtime" / path.name).write_text(path.read_text())
        names = all_symbols(emulate.compile_firmware(workshop))
        as_exported(workshop)
        linked[type(estimator)] = {n for n in names if "slope" in n or "closed" in n}
    row = "softmax_cross_entropy" if loss == "cross_entropy" else loss
    assert linked == {bf.RGE: set(), bf.UnitWise: {"bpfree_slope_relu", f"bpfree_closed_{row}"}}


def test_kernels_perturb_on_read_only_for_the_estimator_that_wants_it(workshop):
    """The same bits, and 0.8 KB less; est_rge.c beside it does not compile, which is better than learning nothing."""
    config, sizes = workshop / "runtime" / "bpfree" / "config.h", {}
    signs = [bf.Hybrid(), bf.RGE(direction="hadamard"), bf.RGE()]
    for estimator, on_read in (*((one, 1) for one in signs), (bf.CGE(0.01), 0)):
        model = MODELS["dense"]()
        trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", estimator, bf.SGD(0.02), batch_size=1)
        firmware.export(model, workshop, trainer=trainer, samples=DIGITS, steps=1)
        assert f"#define BPFREE_PROBE_ON_READ {on_read}\n" in config.read_text()
        rows = int(estimator.direction == "hadamard")
        assert f"#define BPFREE_HADAMARD_ROWS {rows}\n" in config.read_text()
        assert "#define BPFREE_CUT_SLICES 0\n" in config.read_text()
    for on_read in (1, 0):
        config.write_text(config.read_text().replace("PROBE_ON_READ 0\n", f"PROBE_ON_READ {on_read}\n"))
        built = emulate.compile_firmware(workshop, optimize="Os")
        sizes[on_read] = emulate.footprint(built).flash_bytes, emulate.run_firmware(built).hash
        config.write_text(config.read_text().replace("PROBE_ON_READ 1\n", "PROBE_ON_READ 0\n"))
    assert sizes[1][1] == sizes[0][1] and sizes[1][0] - sizes[0][0] > 700
    (workshop / "runtime" / "est_rge.c").write_text((firmware.runtime_folder() / "src" / "est_rge.c").read_text())
    with pytest.raises(emulate.FirmwareBuildError, match="directions of signs need kernels"):
        emulate.compile_firmware(workshop, optimize="Os")


@pytest.mark.parametrize("estimator", [bf.RGE(2, grouping="layer"), bf.RGE(direction="sphere")], ids=show)
def test_what_cuts_slices_is_left_out_and_changes_no_bit(workshop, estimator):
    model, run = trained_by(estimator, "tt", 3)
    config, sizes = workshop / "runtime" / "bpfree" / "config.h", []
    for wanted in (0, 1):
        firmware.export(model, workshop, trainer=run.trainer, samples=DIGITS, steps=3)
        config.write_text(config.read_text().replace("CUT_SLICES 0\n", f"CUT_SLICES {wanted}\n"))
        built = emulate.compile_firmware(workshop, optimize="Os")
        assert f"{emulate.run_firmware(built).hash:016x}" == run.model.hash
        sizes.append(emulate.footprint(built).flash_bytes)
        as_exported(workshop)
    assert sizes[0] < sizes[1] < sizes[0] + 2500


@pytest.mark.parametrize("optimize", ["Os", "O3"])
def test_no_fused_multiply_add(workshop, optimize):
    model, run = trained("tt", 1)
    firmware.export(model, workshop, trainer=run.trainer, samples=DIGITS, steps=1)
    built = emulate.compile_firmware(workshop, optimize=optimize)
    assert emulate.fused_instructions(built) == []
    assert any(mnemonic.startswith("vmul") for mnemonic in emulate.disassemble(built))


def test_mlp_64_32_10_step_fits_its_budgets(workshop):
    """One two-sided step, one sample, one query, compiled for size and unrolled further: flash against instructions."""
    model = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=0)
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(), bf.SGD(0.01), batch_size=1)
    firmware.export(model, workshop, trainer=trainer, samples=DIGITS, steps=2)
    marks, sizes = (firmware.MARK_STEP, firmware.MARK_STEP_DONE), {}
    for unroll, most, flash in ((4, 70_000, 6_500), (8, 65_000, 7_200)):
        built = emulate.compile_firmware(workshop, optimize="Os", defines=[f"BPFREE_UNROLL={unroll}"])
        result, sizes[unroll] = emulate.run_firmware(built, count_between=marks), emulate.footprint(built)
        assert 30_000 < result.instructions <= most
        assert sizes[unroll].flash_bytes <= flash
    arena, sample = 2 * (32 + 10), 64
    floats = model.graph.n_theta + arena + sample
    assert sizes[4].ram_bytes == sizes[8].ram_bytes <= 4 * floats + 128


def test_unit_wise_learns_from_a_sample_in_fewer_instructions_than_back_propagation(workshop):
    """MLP 64-32-10, batch 1: under 100,000 instructions (AIfES 424,750), two copies of theta, flash under 10 KB."""
    model = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=0)
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.UnitWise(), bf.SGD(0.01), batch_size=1)
    firmware.export(model, workshop, trainer=trainer, samples=DIGITS, steps=2)
    built = emulate.compile_firmware(workshop, optimize="Os")
    marks = (firmware.MARK_STEP, firmware.MARK_STEP_DONE)
    assert 30_000 < emulate.run_firmware(built, count_between=marks).instructions <= 100_000
    sizes = emulate.footprint(built)
    arena, work, sample = 64, 10 + 32, 64
    assert sizes.ram_bytes <= 4 * (2 * model.graph.n_theta + arena + work + sample) + 128
    assert sizes.flash_bytes < 10_000
    config = workshop / "runtime" / "bpfree" / "config.h"
    config.write_text(config.read_text().replace("LOOK_FIRST 1", "LOOK_FIRST 0"))
    assert emulate.footprint(emulate.compile_firmware(workshop, optimize="Os")).flash_bytes < 9_500
    as_exported(workshop)


def test_the_runtime_has_no_memory_of_its_own(workshop):
    """All RAM is the program's arrays: no variable of the runtime lies there, and no libc or libm is linked."""
    from elftools.elf.elffile import ELFFile

    model, run = trained("tt", 1)
    built, _ = on_device(workshop, model, run, 1)
    with open(built.elf, "rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        ram = range(built.target.ram_origin, built.target.ram_origin + built.target.ram_bytes)
        objects = [s for s in symbols.iter_symbols() if s["st_info"]["type"] == "STT_OBJECT"]
    in_ram = {s.name for s in objects if s["st_value"] in ram}
    assert in_ram == {"theta", "x", "arena", "record"}
    libc = {"malloc", "free", "printf", "expf", "logf", "tanhf", "sqrtf", "exp", "log", "tanh"}
    assert not emulate.symbols(built) & libc


def test_groups_are_left_out_where_one_probe_moves_everything(tmp_path):
    """The same bits in less flash; and without them, per-layer probes are refused instead of being joint."""
    config, sizes = tmp_path / "runtime" / "bpfree" / "config.h", []
    for estimator, own in ((bf.RGE(2), 0), (bf.RGE(2, grouping="layer"), 1)):
        model, run = trained_by(estimator, "dense", 3)
        firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=3)
        assert f"#define BPFREE_GROUPS {own}\n" in config.read_text()
        for wanted in (0, 1):
            config.write_text(config.read_text().replace(f"GROUPS {1 - wanted}\n", f"GROUPS {wanted}\n"))
            built = emulate.compile_firmware(tmp_path, optimize="Os")
            result = emulate.run_firmware(built)
            if wanted < own:
                assert result.exit_code != 0
            else:
                assert f"{result.hash:016x}" == run.model.hash
            sizes.append(emulate.footprint(built).flash_bytes)
        as_exported(tmp_path)
    assert sizes[0] + 200 < sizes[1]
