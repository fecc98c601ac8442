# SPDX-License-Identifier: MIT
"""The exported Makefile: each compiler, with and without LTO, at every level, makes the same bits."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys

import pytest

import bpfree as bf
from bpfree.exporters import firmware

for package in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from firmware_runs import DIGITS, trained  # noqa: E402

from bpfree import emulate  # noqa: E402
from bpfree.exporters.targets import TARGETS  # noqa: E402

ZIG = f"{sys.executable} -m ziglang cc"
LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os", "-Oz")


def need(*programs):
    """Skip where one is missing, unless all have to be there."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing and "BPFREE_REQUIRE_TOOLS" not in os.environ:
        pytest.skip(f"{', '.join(missing)} missing: apt install gcc-arm-none-eabi gcc-riscv64-unknown-elf clang lld")


def compilers(target):
    """(compiler for make, programs it needs): GCC, clang with GCC's library, zig."""
    gcc = f"{TARGETS[target].gnu.prefix}gcc"
    return {"gnu": (gcc, (gcc,)), "clang": ("clang", ("clang", "ld.lld", gcc)), "zig": (ZIG, ())}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """exported(target, **options) -> (folder, hash of 5 steps), each written once."""
    folders, (model, run) = {}, trained("tt", 5)

    def export(target, **options):
        key = (target, *options.items())
        if key not in folders:
            folder = tmp_path_factory.mktemp(target)
            firmware.export(model, folder, trainer=run.trainer, samples=DIGITS, steps=5, target=target, **options)
            folders[key] = folder
        return folders[key], run.model.hash

    return export


def make(folder, *settings):
    clean = subprocess.run(["make", "-C", str(folder), "clean"], capture_output=True, text=True)
    done = subprocess.run(["make", "-C", str(folder), *settings], capture_output=True, text=True)
    assert (clean.returncode, done.returncode) == (0, 0), done.stderr[-2000:]
    assert "warning" not in done.stderr
    return done.stdout


def assert_same(exported, target, compiler, lto, optimize):
    program, needed = compilers(target)[compiler]
    need("make", *needed)
    folder, expected = exported(target)
    told = make(folder, f"CC={program}", f"LTO={lto}", f"OPT={optimize}")
    if shutil.which("llvm-size") or shutil.which(f"{TARGETS[target].gnu.prefix}size"):
        assert re.search(r"^flash \d{4,} bytes, weights and samples among them; RAM \d{4,} bytes", told, re.M), told
    built = emulate.compile_firmware(folder, target=target, output=folder / "build" / "beside.elf")
    result = emulate.run_firmware(dataclasses.replace(built, elf=folder / "firmware.elf"))
    assert (result.exit_code, f"{result.hash:016x}") == (0, expected)


@pytest.mark.parametrize("lto", [0, 1])
def test_zig_from_pip_builds_it(exported, lto):
    assert_same(exported, "cortex-m4f", "zig", lto, "-Os")


@pytest.mark.tool
@pytest.mark.parametrize(("compiler", "lto"), [("gnu", 0), ("gnu", 1), ("clang", 0), ("clang", 1)])
def test_so_do_gcc_and_clang(exported, compiler, lto):
    assert_same(exported, "cortex-m4f", compiler, lto, "-Os")


@pytest.mark.slow
@pytest.mark.tool
@pytest.mark.parametrize("lto", [0, 1])
@pytest.mark.parametrize("compiler", ["gnu", "clang", "zig"])
@pytest.mark.parametrize(
    ("target", "optimize"), [("cortex-m0", "-Os"), ("rv32imc", "-Os"), *(("cortex-m4f", level) for level in LEVELS)]
)
def test_every_level_of_every_compiler_makes_the_same_bits(exported, target, optimize, compiler, lto):
    assert_same(exported, target, compiler, lto, optimize)


@pytest.mark.tool
def test_on_a_console_people_read_text_and_import_reads_words(exported, tmp_path):
    """Semihosting, in qemu: theta comes back from the log of the console."""
    need("make", "arm-none-eabi-gcc", "qemu-system-arm")
    folder, expected = exported("cortex-m4f", port="semihosting")
    make(folder, "DEFINES=-DSEND_THETA=1")
    command = (
        "qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none -chardev stdio,id=c0 "
        f"-semihosting-config enable=on,target=native,chardev=c0 -kernel {folder / 'firmware.elf'}"
    )
    done = subprocess.run(command.split(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and f"model: {expected}, as on the computer\n" in done.stdout
    (tmp_path / "console.log").write_text(done.stdout)
    assert firmware.read_back(tmp_path / "console.log", trained("tt", 1)[0], expected).hash == expected


def test_on_a_computer_make_is_all_there_is_to_it(exported):
    need("make", "gcc")
    folder, expected = exported("host")
    assert re.search(r"^code and constants \d{4,} bytes; data \d{4,} bytes", make(folder), re.M)
    done = subprocess.run([str(folder / "firmware.elf")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, f"model: {expected}, as on the computer\n")


def test_text_can_be_left_out(exported):
    need("make", "gcc")
    folder, _ = exported("host")
    make(folder, "DEFINES=-DREPORT_TEXT=0")
    done = subprocess.run([str(folder / "firmware.elf")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_port_it_makes_objects_for_a_project_of_ones_own(exported, tmp_path):
    """Their port_emit and startup are the user's: here those of the computer's C library."""
    need("make", "gcc")
    folder, expected = exported("host", port="none")
    assert {path.name for path in (folder / "port").iterdir()} == {"port.h"}
    make(folder)
    own = tmp_path / "own.c"
    own.write_text("""
#include <stdio.h>
#include "port.h"
void port_emit(uint32_t channel, uint32_t value)
{
  if (channel == PORT_PUTC) putchar((int)value);
}
""")
    objects = map(str, (folder / "build").glob("*.o"))
    command = ["gcc", *objects, str(own), f"-I{folder / 'port'}", "-o", str(tmp_path / "own")]
    subprocess.run(command, check=True)
    done = subprocess.run([str(tmp_path / "own")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"model: {expected}, as on the computer\n")


def test_the_tables_compile_for_mach_o_too(exported):
    """Sections have other names there; ELF has ours, which size tools read."""
    need("clang")
    folder, _ = exported("host")
    for triple, names in (("arm64-apple-macos", 0), ("aarch64-linux-gnu", 2)):
        found = 0
        for source in ("model.c", "samples.c"):
            command = ["clang", f"--target={triple}", "-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic"]
            flags = ["-Werror", "-ffreestanding", f"-I{folder}", f"-I{folder / 'runtime'}"]
            made = folder / f"{triple}-{source}.o"
            subprocess.run([*command, *flags, "-c", str(folder / source), "-o", str(made)], check=True)
            found += made.read_bytes().count(b".bpfree_weights\0") + made.read_bytes().count(b".bpfree_data\0") > 0
        assert found == names


def test_a_board_s_memory_stands_at_the_top_of_its_linker_script(exported):
    folder, _ = exported("cortex-m4f")
    text = (folder / "port" / "link.ld").read_text()
    memory = dict(re.findall(r"^(R[OA]M_\w+) = (0x\w+);$", text, re.M))
    row = TARGETS["cortex-m4f"]
    assert {name: int(value, 16) for name, value in memory.items()} == {
        "ROM_ORG": row.flash_origin, "ROM_LEN": row.flash_bytes, "RAM_ORG": row.ram_origin, "RAM_LEN": row.ram_bytes,
    }  # fmt: skip
    assert bf.exporters.firmware.TARGETS is TARGETS
