# SPDX-License-Identifier: MIT
"""Makes simulators of soft cores with Verilator, once: they are kept in the user's cache folder."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bpfree.files import cache_folder

from ..channels import MAILBOX, PAINT
from ..compilers import FirmwareBuildError
from .cores import MEMORY, Core

TESTBENCH = Path(__file__).with_name("testbench.v")

_TOOLS = ("verilator", "make", "g++")
_TOP = "testbench"
# The cores are not ours, so their warnings are not shown. Registers that nothing sets begin with 0, in every run.
_FLAGS = (
    "--binary", "-O3", "-CFLAGS", "-O2", "--x-assign", "fast", "--x-initial", "fast", "--noassert",
    "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-TIMESCALEMOD", "--top-module", _TOP,
)  # fmt: skip


def missing(core: Core) -> str:
    """Return what to install for simulators of this core, or ""."""
    tools = [tool for tool in _TOOLS if shutil.which(tool) is None]
    ways = [f"apt install {' '.join(tools)}"] if tools else []
    return ", ".join(ways + (['pip install "bpfree[rtl]"'] if core.folder is None else []))


def simulator(core: Core) -> Path:
    """Return the path of the program that simulates the core; the first time it takes 5 to 20 seconds.

    Its name has a checksum of all it is made of: Verilator's version, the Verilog, the flags.

    Raises:
        ImportError: Verilator, its compiler or the core is not installed.
        FirmwareBuildError: Verilator or the compiler failed.
    """
    if way := missing(core):
        raise ImportError(f"Verilator and {core.package} are needed for emulator={core.name!r}: {way}")
    sources = [TESTBENCH, *sorted(core.folder.glob(core.files))]
    flags = [*_FLAGS, f"-D{core.macro}", *_parameters()]
    what = [_verilator_version(), *flags, *(hashlib.sha256(path.read_bytes()).hexdigest() for path in sources)]
    checksum = hashlib.sha256("\n".join(what).encode()).hexdigest()[:16]
    program = cache_folder() / "rtl" / f"{core.name}-{checksum}"
    if not program.is_file():
        program.parent.mkdir(parents=True, exist_ok=True)
        _build(flags, sources, program)
    return program


def _parameters() -> list[str]:
    """Return the parameters of testbench.v as options of Verilator."""
    values = {
        "FLASH_ORIGIN": MEMORY.flash_origin, "FLASH_BYTES": MEMORY.flash_bytes,
        "RAM_ORIGIN": MEMORY.ram_origin, "RAM_BYTES": MEMORY.ram_bytes,
        "MAILBOX": MAILBOX, "PAINT": int.from_bytes(bytes([PAINT] * 4), "little"),
    }  # fmt: skip
    return [f"-G{name}=32'h{value:x}" for name, value in values.items()]


def _build(flags, sources, program: Path) -> None:
    """Build in a folder beside the place, so that the finished program appears there at once."""
    with tempfile.TemporaryDirectory(prefix="build-", dir=program.parent) as scratch:
        command = ["verilator", *flags, "--Mdir", scratch, *map(str, sources)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            text = "\n".join((done.stderr or done.stdout).splitlines()[-12:])
            raise FirmwareBuildError(f"the simulator did not build:\n{text}\ncommand: {' '.join(command)}")
        os.replace(Path(scratch) / f"V{_TOP}", program)


@functools.cache
def _verilator_version() -> str:
    return subprocess.run(["verilator", "--version"], capture_output=True, text=True, check=True).stdout.strip()
