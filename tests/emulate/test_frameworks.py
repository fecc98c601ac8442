# SPDX-License-Identifier: MIT
"""Frameworks and computers pass what flags they like: theta has the bits of the compiled engine all the same."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

for _module in ("unicorn", "elftools"):
    pytest.importorskip(_module, reason=f'{_module} runs or reads firmware: pip install "bpfree[emulate]"')

from firmware_runs import DIGITS, trained  # noqa: E402

import bpfree as bf  # noqa: E402
from bpfree import emulate  # noqa: E402
from bpfree.emulate.compilers import COMPILERS  # noqa: E402
from bpfree.emulate.frameworks import FRAMEWORKS  # noqa: E402
from bpfree.emulate.hosts import HOSTS, run_on_host  # noqa: E402
from bpfree.exporters import firmware  # noqa: E402

STEPS = 3
RUNS = {
    "dense": lambda: trained("dense", STEPS, update=bf.Adam(0.01)),  # a square root
    "tt": lambda: trained("tt", STEPS, n_queries=2, direction="gaussian"),  # logarithms, sines and tanh besides
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return exported(name): the folder of a program, and the hash it must end with."""
    made = {}

    def export(name):
        if name not in made:
            model, run = RUNS[name]()
            folder = tmp_path_factory.mktemp(name)
            firmware.export(model, folder, trainer=run.trainer, samples=DIGITS, steps=STEPS)
            made[name] = folder, run.model.hash
        return made[name]

    return export


def need(missing: str) -> None:
    """Skip a test that lacks a program, unless all have to be there; then it fails where it wants the program."""
    if missing and "BPFREE_REQUIRE_TOOLS" not in os.environ:
        pytest.skip(missing)


def compiled(folder, framework, **options):
    need(COMPILERS[framework.compiler].missing(emulate.find_target(framework.target)))
    return emulate.compile_firmware(
        folder, target=framework.target, compiler=framework.compiler, flags=framework.flags, lto=framework.lto,
        **options,
    )  # fmt: skip


@pytest.mark.tool
@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_what_frameworks_pass_makes_the_bits_of_the_computer(exported, tmp_path, framework, name):
    folder, wanted = exported(name)
    target = emulate.find_target(framework.target)
    emulator = "qemu" if name == "tt" or target.unicorn is None else "unicorn"
    need(emulate.EMULATORS[emulator].missing(target))
    result = emulate.run_firmware(compiled(folder, framework, output=tmp_path / "firmware.elf", emulator=emulator))
    assert (result.exit_code, f"{result.hash:016x}") == (0, wanted)


CONTRACTING = ("arduino-mbed", "stm32cubeide-release", "pico-sdk", "esp-idf-size")


@pytest.mark.tool
@pytest.mark.slow
@pytest.mark.parametrize("name", CONTRACTING)
def test_without_the_pragmas_they_do_not_and_the_self_check_says_so(exported, tmp_path, name):
    """Otherwise the test above could not fail. `-DBPFREE_STRICT_H` leaves the header out."""
    folder, wanted = exported("dense")
    fused = compiled(
        folder, FRAMEWORKS[name], output=tmp_path / "a.elf", defines=["BPFREE_STRICT_H", "BPFREE_CHECK_ARITHMETIC=0"]
    )
    result = emulate.run_firmware(fused)
    assert result.marks and f"{result.hash:016x}" != wanted
    asked = compiled(folder, FRAMEWORKS[name], output=tmp_path / "b.elf", defines=["BPFREE_STRICT_H"])
    assert_refused(emulate.run_firmware(asked))


def assert_refused(result):
    """The program ended before its first step, which sends a mark; one that ends with a wrong hash returns -12, too."""
    assert (result.exit_code, result.marks) == (-12, [])


FPU = {
    "flush to zero": ("cortex-m4f", 'vmsr fpscr, %0" :: "r"(1u << 24)'),
    "upwards": ("cortex-m4f", 'vmsr fpscr, %0" :: "r"(1u << 22)'),
    "risc-v, down": ("rv32imafc", 'fsrm %0" :: "r"(2u)'),
}


@pytest.mark.parametrize(("target", "change"), FPU.values(), ids=FPU)
def test_bpfree_train_init_refuses_a_processor_that_was_told_otherwise(exported, tmp_path, target, change):
    """A system may leave the FPU so, for another library's sake."""
    pytest.importorskip("ziglang")
    folder = shutil.copytree(exported("dense")[0], tmp_path / "changed")
    main = folder / "main.c"
    begins = "int main(void)\n{\n"
    text = main.read_text()
    assert begins in text
    main.write_text(text.replace(begins, f'{begins}  __asm__ volatile("{change});\n'))
    assert_refused(emulate.run_firmware(emulate.compile_firmware(folder, target=target)))


QUICK = ("native-gcc-O0",)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize(
    "host",
    [pytest.param(row, id=row.name, marks=[] if row.name in QUICK else pytest.mark.slow) for row in HOSTS.values()],
)
def test_so_do_the_flags_of_computers(exported, host, name):
    need(host.missing)
    folder, wanted = exported(name)
    code, sent = run_on_host(folder, host)
    assert (code, f"{sent['hash']:016x}") == (0, wanted)


@pytest.mark.tool
@pytest.mark.slow
def test_a_big_endian_computer_writes_the_same_journals(tmp_path):
    """The C tests hold bytes and hashes that Python wrote: of runs, journals, random numbers and checksums."""
    host, tests = HOSTS["powerpc-gcc-O2"], "test_(journal|nodes|overflow|pde|rng|sha256|sqrt|train)$"
    need(host.missing)
    settings = {
        "SYSTEM_NAME": "Linux", "SYSTEM_PROCESSOR": "ppc", "C_COMPILER": host.compiler,
        "EXE_LINKER_FLAGS": "-static", "CROSSCOMPILING_EMULATOR": shutil.which(host.runner) or host.runner,
    }  # fmt: skip
    commands = (
        ["cmake", "-S", firmware.runtime_folder(), "-B", tmp_path, "-DBPFREE_TESTS=ON",
         *(f"-DCMAKE_{k}={v}" for k, v in settings.items())],
        ["cmake", "--build", tmp_path],
        ["ctest", "--test-dir", tmp_path, "-R", tests, "--output-on-failure", "--no-tests=error"],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "100% tests passed, 0 tests failed out of 8" in done.stdout or "100% tests passed out of 8" in done.stdout
