# SPDX-License-Identifier: MIT
"""What compilers may do to the runtime: builds that are refused, calls that are never made, and the self-check."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bpfree.exporters.runtime import runtime_folder

RUNTIME = runtime_folder()
SOURCES = sorted((RUNTIME / "src").glob("*.c"))
INCLUDES = (f"-I{RUNTIME / 'include'}", f"-I{RUNTIME / 'src'}")
X86 = platform.machine() in ("x86_64", "AMD64")
HOST_COMPILERS = ("gcc", "clang")


def need(*programs: str) -> None:
    """Skip where a program is missing, unless all have to be there."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing and "BPFREE_REQUIRE_TOOLS" not in os.environ:
        pytest.skip(f"{', '.join(missing)} missing")


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    return done.returncode, done.stdout + done.stderr


# ---- refused ----


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("-Ofast", "strict arithmetic"),
        ("-O2 -ffast-math", "strict arithmetic"),
        ("-O2 -ffinite-math-only", "strict arithmetic"),
        ("-O2 -funsafe-math-optimizations", "strict arithmetic"),
        ("-O2 -freciprocal-math", "strict arithmetic"),
        ("-O2 -fno-signed-zeros", "strict arithmetic"),
        ("-D__ARM_FEATURE_MVE=3", "add \\+nomve"),
    ],
)
def test_a_build_that_cannot_have_the_bits_is_refused(flags, message):
    need("gcc")
    code, text = run("gcc", *flags.split(), *INCLUDES, "-fsyntax-only", RUNTIME / "src" / "vector.c")
    assert code and re.search(message, text)


def test_integers_in_vectors_and_16_bit_floats_are_not():
    """FLT_EVAL_METHOD is 16 where GCC knows _Float16 in its GNU modes, which says nothing of float."""
    need("gcc")
    for flags in ("-D__ARM_FEATURE_MVE=1", "-std=gnu11 -mavx512fp16" if X86 else "-std=gnu11"):
        assert run("gcc", *flags.split(), *INCLUDES, "-fsyntax-only", RUNTIME / "src" / "vector.c") == (0, "")


@pytest.mark.tool
def test_the_vectors_of_a_cortex_m55_are_refused_with_the_way_out():
    need("arm-none-eabi-gcc")
    compiler = ("arm-none-eabi-gcc", "-mthumb", "-mfloat-abi=hard", "-ffreestanding", "-std=gnu11", *INCLUDES)
    source = RUNTIME / "src" / "vector.c"
    code, text = run(*compiler, "-mcpu=cortex-m55", "-fsyntax-only", source)
    assert code and all(word in text for word in ("+nomve", "STM32CubeIDE", "Zephyr", "PlatformIO", "Arduino"))
    assert run(*compiler, "-mcpu=cortex-m55+nomve", "-fsyntax-only", source) == (0, "")


def test_a_program_that_includes_bpfree_h_may_be_compiled_as_it_likes(tmp_path):
    need("gcc")
    program = tmp_path / "program.c"
    program.write_text('#include "bpfree/bpfree.h"\nint main(void) { return BPFREE_BLOCK - 64; }\n')
    flags = ("-Ofast", "-D__ARM_FEATURE_MVE=3", "-std=gnu17", "-Wall", "-Wextra", "-Werror")
    assert run("gcc", *flags, *INCLUDES, program, "-o", tmp_path / "program") == (0, "")
    assert run(tmp_path / "program") == (0, "")


# ---- pragmas ----


def test_every_source_begins_with_the_pragmas():
    """Before the first function of ours, whose body begins with a brace of its own line."""
    need("gcc")
    for source in SOURCES:
        code, text = run("gcc", "-std=gnu17", "-E", *INCLUDES, source)
        assert code == 0, text
        ours = False
        for line in text.splitlines():
            if line.startswith("# "):
                ours = str(RUNTIME) in line
            assert not (ours and line == "{"), source.name
            if line in ('#pragma GCC optimize("fp-contract=off")', "#pragma STDC FP_CONTRACT OFF"):  # GCC's, clang's
                break
        else:
            pytest.fail(f"{source.name}: no pragma")


@pytest.mark.slow
@pytest.mark.skipif(not X86, reason="looks for x86 instructions")
@pytest.mark.parametrize("compiler", HOST_COMPILERS)
def test_no_source_is_compiled_to_fused_instructions(tmp_path, compiler):
    need(compiler)
    fusing = (compiler, "-std=gnu17", "-O2", "-mfma", "-mavx2", "-S", *INCLUDES, *SOURCES)
    fused = r"\bvfn?m(add|sub)\w+"
    found = {}
    for define in ("-DNOTHING", "-DBPFREE_STRICT_H"):
        code, text = run(*fusing, define, cwd=tmp_path)
        assert code == 0, text
        found[define] = sum(len(re.findall(fused, path.read_text())) for path in tmp_path.glob("*.s"))
    assert found["-DNOTHING"] == 0 < found["-DBPFREE_STRICT_H"]


@pytest.mark.skipif(not X86, reason="looks for x86 instructions")
@pytest.mark.parametrize("compiler", ["gcc -std=gnu17", "g++ -std=c++11", "clang -std=gnu17"])
def test_a_program_that_includes_strict_h_gets_the_same_care(tmp_path, compiler):
    need(compiler.split()[0])
    includes = {True: '#include "bpfree/strict.h"\n#include "bpfree/bpfree.h"\n', False: '#include "bpfree/bpfree.h"\n'}
    function = "float f(float a, float b, float c);\nfloat f(float a, float b, float c) { return a * b + c; }\n"
    source = tmp_path / ("program.cc" if "++" in compiler else "program.c")
    for strict, include in includes.items():
        source.write_text(include + function)
        code, text = run(*compiler.split(), "-O2", "-mfma", "-Wall", "-Werror", *INCLUDES, "-S", source, "-o", "-")
        assert code == 0, text
        assert ("vfmadd" in text) != strict


# ---- calls ----


CALLS = {"memcpy", "memmove", "memset", "memcmp", "_GLOBAL_OFFSET_TABLE_"}
"""What compilers may call of a C library: no mathematics."""

COMPILERS = [
    ("gcc", "nm", ()),
    ("clang", "nm", ()),
    ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-nm", ()),
    ("powerpc-linux-gnu-gcc", "powerpc-linux-gnu-nm", ()),
    ("arm-none-eabi-gcc", "arm-none-eabi-nm", "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -ffreestanding".split()),
    ("riscv64-unknown-elf-gcc", "riscv64-unknown-elf-nm", "-march=rv32imafc -mabi=ilp32f -ffreestanding".split()),
]


@pytest.mark.slow
@pytest.mark.parametrize("optimize", ["-O0", "-O2"])
@pytest.mark.parametrize(("compiler", "nm", "flags"), COMPILERS, ids=[row[0] for row in COMPILERS])
def test_no_libm_function_is_called_though_errno_is_to_be_set(tmp_path, compiler, nm, flags, optimize):
    need(compiler, nm)
    for source in ("normals", "upd_normalize", "upd_adam", "est_rge_gaussian", "est_rge_sphere"):
        path = RUNTIME / "src" / f"{source}.c"
        if path.exists():
            code, text = run(compiler, *flags, "-fmath-errno", optimize, "-c", *INCLUDES, path, cwd=tmp_path)
            assert code == 0, text
    objects = sorted(tmp_path.glob("*.o"))
    assert len(objects) == 4
    undefined = {line.split()[-1] for line in run(nm, "-u", *objects)[1].splitlines() if " U " in line}
    assert {name for name in undefined if not name.startswith(("bpfree_", "__"))} <= CALLS, undefined


# ---- the self-check ----


PROGRAM = """
#include <stdlib.h>
#include "arithmetic.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif
int main(int n, char **arguments)
{
#if defined(__x86_64__)
  if (n > 1) _mm_setcsr(_mm_getcsr() | (unsigned)strtoul(arguments[1], NULL, 0));
#endif
  return bpfree_strict() ? 0 : 12;
}
"""


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """check(compiler and flags) -> a program that ends in 12 where the self-check refuses its build or its thread."""
    folder = tmp_path_factory.mktemp("check")
    (folder / "check.c").write_text(PROGRAM)
    built = {}

    def build(command):
        need(command.split()[0])
        if command not in built:
            built[command] = folder / f"check{len(built)}"
            code, text = run(*command.split(), *INCLUDES, folder / "check.c", "-o", built[command])
            assert code == 0, text
        return built[command]

    return build


@pytest.mark.parametrize("compiler", HOST_COMPILERS)
@pytest.mark.parametrize("flags", ["-O0", "-Os", "-O2", "-O3 -march=native -std=gnu17", "-O2 -std=c99"])
def test_the_self_check_passes_where_bits_are_right(check, compiler, flags):
    assert run(check(f"{compiler} {flags}"))[0] == 0


CHANGES = {"ftz": 0x8000, "daz": 0x0040, "both": 0x8040, "down": 0x2000, "up": 0x4000, "to zero": 0x6000}


@pytest.mark.skipif(not X86, reason="MXCSR is an x86 register")
@pytest.mark.parametrize("command", ["gcc -O0", "gcc -O2", "clang -O2"])
@pytest.mark.parametrize("flag", CHANGES.values(), ids=CHANGES)
def test_it_notices_what_somebody_changed_in_the_thread(check, flag, command):
    assert run(check(command), hex(flag))[0] == 12


HAS_FMA = X86 and Path("/proc/cpuinfo").exists() and " fma " in Path("/proc/cpuinfo").read_text()


@pytest.mark.skipif(not HAS_FMA, reason="needs a processor with the fused instructions of x86")
@pytest.mark.parametrize(
    "command",
    [
        "gcc -std=gnu17 -O2 -mfma -DBPFREE_STRICT_H",  # without the pragma
        "gcc -std=c99 -O2 -mfma -ffp-contract=fast",
        "gcc -O2 -DBPFREE_STRICT_H -funsafe-math-optimizations -fno-trapping-math",
        "gcc -Ofast -DBPFREE_STRICT_H",
        "clang -O2 -mfma -DBPFREE_STRICT_H",
        "clang -O2 -mfma -ffp-contract=fast",  # which no pragma stops
        "clang -O2 -funsafe-math-optimizations",
        "clang -O2 -fassociative-math -fno-signed-zeros -fno-trapping-math",
    ],
)
def test_it_notices_what_a_compiler_did(check, command):
    assert run(check(command))[0] == 12
