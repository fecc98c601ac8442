# SPDX-License-Identifier: MIT
"""Cross-compiles a folder of C sources into firmware, with one of the compilers of the table."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from bpfree.errors import check_choice
from bpfree.exporters.ports import port_files
from bpfree.exporters.targets import Memory, find_target

from .compilers import COMPILERS, Job
from .emulators import EMULATORS, default_emulator
from .program import Firmware

OPTIMIZE_LEVELS = ("Os", "Oz", "O0", "O1", "O2", "O3")

# Zig puts its own flags first, so these override them; its -O mode only decides how compiler-rt is built.
# -ffp-contract comes after -fno-fast-math, because -fno-fast-math resets it in some versions of clang. There
# are no unwind tables, because C has no exceptions and the tables would count as flash.
STRICT_FLAGS = ("-fno-fast-math", "-fno-math-errno", "-ffp-contract=off")
LAYOUT_FLAGS = (
    "-ffunction-sections", "-fdata-sections", "-fomit-frame-pointer",
    "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-g0",
)  # fmt: skip
WARNING_FLAGS = ("-Wall", "-Wextra", "-Werror")


def compile_firmware(
    folder: str | os.PathLike[str],
    *,
    target: str = "cortex-m4f",
    optimize: str = "O2",
    compiler: str = "zig",
    output: str | os.PathLike[str] | None = None,
    defines: Sequence[str] = (),
    sources: Iterable[str | os.PathLike[str]] | None = None,
    extra_flags: Sequence[str] = (),
    lto: bool = False,
    emulator: str | None = None,
) -> Firmware:
    """Compile and link the C sources of `folder` into an ELF file.

    Args:
        folder: holds the sources and the headers (each folder with a .h is searched). The folder port/ of an
            export, known by its port.h, may be that of your board or of another target: startup code, linker script
            and port.c come from bpfree instead, for this target and emulator. Without port.h the folder's own are
            taken, and there must be exactly one link.ld.
        target: a name in `TARGETS`.
        optimize: "Os", "Oz", "O0", "O1", "O2" or "O3".
        compiler: "zig", the clang of the pip package ziglang; "gnu", the target's GCC; or "clang".
        output: path of the ELF file; default `folder`/build/firmware.elf.
        defines: macros, "NAME" or "NAME=value".
        sources: the .c files; default: all below `folder`, with the port's as above.
        extra_flags: C flags put last, for experiments; they can undo the strict arithmetic.
        lto: optimise the whole program at link time.
        emulator: a name in `EMULATORS`, on whose machine it is to run; default: the first that has the target.

    Returns:
        The firmware, with the flags and the compiler that built it.

    Raises:
        ValueError: the target, the optimisation level, the compiler or the emulator is unknown, or the emulator
            does not have the target.
        FileNotFoundError: there are no sources, or not exactly one link.ld.
        FirmwareBuildError: the compiler or the linker failed; any warning counts as an error.
        ImportError: the compiler is not installed.
    """
    row = find_target(target)
    check_choice("optimize", optimize, OPTIMIZE_LEVELS)
    check_choice("compiler", compiler, COMPILERS)
    emulator = default_emulator(row) if emulator is None else check_choice("emulator", emulator, EMULATORS)
    machine = EMULATORS[emulator]
    memory = machine.memory(row)
    root = Path(folder).resolve()
    own = {path.parent for path in root.rglob("port.h")}
    port = port_files(row, machine.report) if own else {}
    files = _sources(root, own, port) if sources is None else sources
    files = tuple(Path(source).resolve() for source in files)
    if not files:
        raise FileNotFoundError(f"folder: expected .c files below {root}, got none")
    elf = Path(output).resolve() if output is not None else root / "build" / "firmware.elf"
    elf.parent.mkdir(parents=True, exist_ok=True)

    c_flags = ("-std=c99", f"-{optimize}", *STRICT_FLAGS, *row.gnu.compile_flags, *LAYOUT_FLAGS, *WARNING_FLAGS)
    c_flags += tuple(f"-D{name}" for name in (*machine.defines, *defines)) + tuple(extra_flags)
    tool = COMPILERS[compiler]
    with tempfile.TemporaryDirectory(prefix="bpfree-") as scratch:
        script = None
        if row.bare:
            script = Path(scratch) / "link.ld"
            layout = port["link.ld"] if own else find_linker_script(root)
            script.write_text(_memory_symbols(memory) + layout.read_text("utf-8"), "utf-8")
        short = [_short(file, root) for file in files]
        tool.link(Job(row, c_flags, _include_flags(root), short, script, elf, root, lto))
    return Firmware(
        elf, row, (*tool.flags(row, lto), *c_flags), tool.version(row), compiler, root, files,
        optimize, tuple(defines), tuple(extra_flags), lto, emulator, memory,
    )  # fmt: skip


def _sources(root: Path, own: set[Path], port: dict[str, Path]) -> list[Path]:
    """Return the .c files below `root`, those of `port` in the place of those in the folders `own`."""
    found = [path for path in sorted(root.rglob("*.c")) if path.parent not in own]
    return found + [path for name, path in sorted(port.items()) if found and name.endswith(".c")]


def find_linker_script(folder: Path) -> Path:
    """Return the path of the one link.ld below `folder`; raise FileNotFoundError for none or more than one."""
    scripts = sorted(folder.rglob("link.ld"))
    if len(scripts) != 1:
        raise FileNotFoundError(f"folder: expected one link.ld below {folder}, got {len(scripts)}")
    return scripts[0]


def _memory_symbols(row: Memory) -> str:
    # `zig build-exe` has no --defsym, so the sizes are written at the top of the script instead.
    return (
        f"ROM_ORG = {row.flash_origin:#x};\nROM_LEN = {row.flash_bytes:#x};\n"
        f"RAM_ORG = {row.ram_origin:#x};\nRAM_LEN = {row.ram_bytes:#x};\n"
    )


def _include_flags(root: Path) -> list[str]:
    folders = {header.parent for header in root.rglob("*.h")} | {root / "include"}
    return [flag for f in sorted(folders) if f.is_dir() for flag in ("-I", _short(f, root))]


def _short(path: Path, root: Path) -> str:
    """Return a path relative to `root` if inside it: messages stay short, and the command is the same everywhere."""
    return os.path.relpath(path, root) if path.is_relative_to(root) else str(path)
