# SPDX-License-Identifier: MIT
"""The device once more, with another compiler (GCC) and another emulator (qemu)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from helpers import Recorder

import bpfree as bf
from bpfree import emulate
from bpfree.exporters import firmware

TOOLS = ("arm-none-eabi-gcc", "arm-none-eabi-objdump", "qemu-system-arm")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]

pytestmark = [
    pytest.mark.tool,
    pytest.mark.skipif(
        bool(MISSING) and "BPFREE_REQUIRE_TOOLS" not in os.environ,
        reason=f"{', '.join(MISSING)} missing: apt install gcc-arm-none-eabi qemu-system-arm"
    ),
]

WARNINGS = ("-Wconversion", "-pedantic")


def export(folder, estimator):
    """Export firmware sources that train 10 steps; return their folder, and the run and records they must equal."""
    pixels = np.random.default_rng(5).integers(0, 17, (60, 64)).astype(np.uint8)
    samples = firmware.Samples(pixels, labels=np.arange(60) % 10, scale=1 / 16)
    model = bf.Sequential(64, [bf.TTLinear((4, 4, 4), (4, 4, 2), rank=3), bf.Tanh(), bf.Linear(10)], seed=2)
    if estimator.row.device.refusal(estimator, model.graph):
        model = bf.Sequential(64, [bf.Linear(12), bf.Tanh(), bf.Linear(9), bf.ReLU(), bf.Linear(10)], seed=2)
    records = Recorder()
    run = bf.train(
        model, (samples.x, samples.labels), estimator=estimator, update=bf.SGD(0.02), batch_size=4, max_steps=10,
        engine="compiled", callbacks=records,
    )  # fmt: skip
    return firmware.export(model, folder, trainer=run.trainer, samples=samples, steps=10), run, records


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(tmp_path_factory.mktemp("qemu"), bf.RGE(n_queries=2, grouping="layer"))


def build(folder, optimize, *flags):
    return emulate.compile_firmware(
        folder, compiler="gnu", optimize=optimize, extra_flags=flags, emulator="qemu", output=folder / f"{optimize}.elf"
    )


def fused(elf):
    listing = subprocess.run(["arm-none-eabi-objdump", "-d", str(elf)], capture_output=True, text=True).stdout
    assert "vmul.f32" in listing
    return re.findall(r"\bvfn?m[as]\S*", listing)


def assert_same(folder, run, expected, optimize):
    """Assert that the firmware sends the record of every step of the run, and ends with its theta."""
    built = build(folder, optimize, *WARNINGS)
    result = emulate.run_firmware(built)
    assert (result.exit_code, f"{result.hash:016x}") == (0, run.model.hash)
    records = result.words.view(np.float32).reshape(10, -1)
    np.testing.assert_array_equal(records, np.array(expected).reshape(10, -1))
    assert fused(built.elf) == []


@pytest.mark.parametrize("optimize", ["Os", "O2", "O3"])
def test_gcc_and_qemu_end_with_the_same_bits(exported, optimize):
    assert_same(*exported, optimize)


@pytest.mark.parametrize(
    "estimator",
    [
        bf.RGE(2, direction="gaussian", two_sided=False),
        bf.RGE(2, direction="sphere", grouping="layer"),
        bf.CGE(0.05, rescale=True),
        bf.UnitWise(),
    ],
    ids=["gaussian", "sphere", "coordinates", "units"],
)
@pytest.mark.parametrize("optimize", ["Os", "O3"])
def test_so_does_every_other_estimator(tmp_path, estimator, optimize):
    assert_same(*export(tmp_path, estimator), optimize)


def test_the_exported_makefile_builds_it(exported):
    """With the port for a debug probe, as someone without a UART takes it; its lines are read here on their own."""
    folder, run, _ = exported
    port = firmware.runtime_folder() / "ports" / "semihosting" / "port.c"
    done = subprocess.run(["make", "-C", str(folder), f"PORT={port}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    qemu = (
        "qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none -chardev stdio,id=c0 "
        f"-semihosting-config enable=on,target=native,chardev=c0 -kernel {folder / 'firmware.elf'}"
    )
    done = subprocess.run(qemu.split(), capture_output=True, text=True, timeout=120)
    low, high = (line[2:] for line in done.stdout.splitlines() if line[0] == "3")
    assert (done.returncode, high + low) == (0, run.model.hash)


def test_the_search_for_fused_instructions_can_find_some(exported):
    assert fused(build(exported[0], "O2", "-ffp-contract=fast").elf)


def test_the_compilers_of_the_package_make_the_same_bits_and_different_code(exported):
    """`emulate` builds with GCC, too: its flags are those of the Makefile, its sizes those of its ELF file."""
    folder, run, _ = exported
    built = {name: emulate.compile_firmware(folder, optimize="Os", compiler=name) for name in ("zig", "gnu")}
    assert {f"{emulate.run_firmware(program).hash:016x}" for program in built.values()} == {run.model.hash}
    assert "arm-none-eabi-gcc" in built["gnu"].compiler
    assert set(emulate.TARGETS["cortex-m4f"].cpu_flags) <= set(built["gnu"].flags)
    sizes = {name: emulate.footprint(program).flash_bytes for name, program in built.items()}
    assert 2_000 < sizes["gnu"] != sizes["zig"]
