# SPDX-License-Identifier: MIT
"""What takes flash and RAM, by source file and symbol: not a byte is lost, and other tools say the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

for _module in ("ziglang", "elftools"):
    pytest.importorskip(_module, reason=f'{_module} compiles or reads firmware: pip install "bpfree[emulate]"')

from elftools.elf.elffile import ELFFile  # noqa: E402

from bpfree import emulate  # noqa: E402
from bpfree.emulate.debug_info import FLAGS  # noqa: E402

SOURCE = """#include "port.h"
int main(void);
#define IN(s) __attribute__((section(s)))
IN(".rodata.bpfree_weights") static const volatile uint32_t weights[100] = {1u};
IN(".rodata.bpfree_data") static const volatile uint8_t samples[50] = {2u};
static volatile uint32_t state[25] = {3u}, scratch[1000];
extern volatile uint32_t shared[7];
uint32_t helper(uint32_t n);
int main(void) { scratch[999] = weights[7] + samples[9] + state[1] + shared[3]; return (int)helper(scratch[1]); }"""
OTHER = """#include <stdint.h>
extern volatile uint32_t shared[7];
volatile uint32_t shared[7];
uint32_t helper(uint32_t n);
__attribute__((noinline)) uint32_t helper(uint32_t n)
{ volatile uint32_t room[40]; for (uint32_t i = 0; i < n; i++) room[i % 40u] = i; return room[n % 40u]; }
"""
TARGETS = ("cortex-m0", "cortex-m4f", "rv32i", "rv32imc")


@pytest.fixture
def two_files(build):
    """two_files(target, compiler, **options) -> Firmware of main.c and other.c; skips without the compiler."""

    def compiled(target="cortex-m4f", compiler="zig", optimize="Os", **options):
        way = emulate.COMPILERS[compiler].missing(emulate.find_target(target))
        if way and "BPFREE_REQUIRE_TOOLS" not in os.environ:
            pytest.skip(f"{compiler} missing: {way}")
        folder = build("int main(void) { return 0; }", target=target).folder
        (folder / "main.c").write_text(SOURCE, "utf-8")
        (folder / "other.c").write_text(OTHER, "utf-8")
        return emulate.compile_firmware(folder, target=target, compiler=compiler, optimize=optimize, **options)

    return compiled


def sections(elf):
    """Return {name: (size, stored, writable)} of what is in memory on the device, read by elftools alone."""
    with open(elf, "rb") as file:
        found = [s for s in ELFFile(file).iter_sections() if s["sh_flags"] & 2 and s["sh_size"]]
        return {s.name: (s["sh_size"], s["sh_type"] != "SHT_NOBITS", bool(s["sh_flags"] & 1)) for s in found}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("compiler", ["zig", pytest.param("gnu", marks=pytest.mark.tool),
                                      pytest.param("clang", marks=pytest.mark.tool)])  # fmt: skip
def test_the_parts_are_the_program(two_files, target, compiler):
    built = two_files(target, compiler)
    parts = emulate.parts(built)
    whole = sections(built.elf)
    for name, (size, stored, writable) in whole.items():
        own = [part for part in parts if part.section == name]
        assert sum(part.size for part in own) == size
        assert {(part.stored, part.writable) for part in own} == {(stored, writable)}
    assert {part.section for part in parts} == set(whole)
    empty = emulate.footprint(built, empty=built)
    assert (sum(p.weights_bytes for p in parts), sum(p.data_bytes for p in parts)) == (400, 52)
    assert (empty.weights_bytes, empty.data_bytes) == (400, 52)
    by_name = {part.symbol: part for part in parts}
    sources = {name: by_name[name].source for name in ("main", "weights", "samples", "state", "scratch")}
    assert set(sources.values()) == {"main.c"}
    assert by_name["helper"].source == by_name["shared"].source == "other.c"
    assert by_name["Reset_Handler"].source == "port/startup.c"
    assert by_name["port_emit"].source.endswith("port.c")
    assert (by_name["state"].flash_bytes, by_name["state"].ram_bytes) == (100, 100)
    assert (by_name["scratch"].flash_bytes, by_name["scratch"].ram_bytes) == (0, 4000)
    assert 160 <= by_name["helper"].stack_bytes < 200 and by_name["shared"].stack_bytes is None


def tool(name):
    """Return the path of a GNU program, or skip."""
    if shutil.which(name) is None and "BPFREE_REQUIRE_TOOLS" not in os.environ:
        pytest.skip(f"{name} missing: apt install gcc-arm-none-eabi")
    return name


@pytest.mark.tool
@pytest.mark.parametrize("compiler", ["zig", "gnu"])
def test_the_symbols_are_those_of_nm(two_files, compiler):
    built = two_files(compiler=compiler, extra_flags=FLAGS)
    lines = subprocess.run([tool("arm-none-eabi-nm"), "-S", built.elf], capture_output=True, text=True, check=True)
    listed = {name: int(size, 16) for _, size, _, name in re.findall(r"(\w+) (\w+) (\w) (\S+)", lines.stdout)}
    sizes = {part.symbol: part.size for part in emulate.parts(built)}
    own = {name: size for name, size in listed.items() if name in sizes}
    assert {"main", "helper", "state", "weights", "port_emit", "Reset_Handler"} <= set(own)
    assert own == {name: size for name, size in sizes.items() if not name.startswith("(")}
    assert all(size in sizes.values() for size in listed.values()), "what is left of nm are other names of the same"


@pytest.mark.tool
def test_stack_frames_are_those_that_gcc_tells(two_files):
    built = two_files(compiler="gnu", extra_flags=["-fstack-usage", *FLAGS])
    told = {
        line.split("\t")[0].rpartition(":")[2]: int(line.split("\t")[1])
        for path in built.elf.parent.glob("*.su")
        for line in path.read_text().splitlines()
    }
    found = {part.symbol: part.stack_bytes for part in emulate.parts(built) if part.symbol in told}
    assert {"main", "helper", "Reset_Handler"} <= set(found)
    assert found == {name: told[name] for name in found}


@pytest.mark.parametrize("compiler", ["zig", pytest.param("gnu", marks=pytest.mark.tool)])
def test_debug_information_costs_nothing_and_lto_keeps_the_files(two_files, compiler):
    plain, lto = two_files(compiler=compiler), two_files(compiler=compiler, lto=True)
    for built in (plain, lto):
        whole = sections(built.elf)
        parts = emulate.parts(built)
        assert {name: sum(p.size for p in parts if p.section == name) for name in whole} == {
            name: size for name, (size, _, _) in whole.items()
        }
        assert {"main.c", "other.c", "port/startup.c"} <= {part.source for part in parts}


def test_a_footprint_is_the_parts_beyond_those_of_an_empty_program(two_files, tmp_path):
    built = two_files("cortex-m0")
    empty = emulate.empty_firmware(built, tmp_path)
    mine, base, size = emulate.parts(built), emulate.parts(empty), emulate.footprint(built)
    for name in ("flash_bytes", "ram_bytes"):
        assert getattr(size, name) == sum(getattr(p, name) for p in mine) - sum(getattr(p, name) for p in base)


def test_what_has_no_debug_information_is_the_compilers(build):
    """A division of floats in software: its code is in no source of ours."""
    built = build("volatile float a = 1.0f; int main(void) { return (int)(a / 3.0f); }", target="cortex-m0")
    own = [part for part in emulate.parts(built) if part.symbol == "__aeabi_fdiv" or "divsf3" in part.symbol]
    assert own and all(part.source not in ("main.c", "port/startup.c", "port/memory.c") for part in own)
    assert sum(part.size for part in own) > 100
