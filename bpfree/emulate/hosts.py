# SPDX-License-Identifier: MIT
"""Computers to run exported firmware on as a process of its own: this one, and others in qemu's user mode."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bpfree.exporters.ports import port_files
from bpfree.exporters.targets import TARGETS

from .compilers import FirmwareBuildError
from .messages import Messages, listen

_NATIVE = ("-march=native", "-std=gnu17")


@dataclass(frozen=True)
class Host:
    """A compiler, what runs its programs (nothing: this computer), and the Debian packages of both."""

    name: str
    compiler: str
    flags: tuple[str, ...]
    runner: str = ""
    packages: str = ""
    big_endian: bool = False

    @property
    def missing(self) -> str:
        """What to install, or ""."""
        found = shutil.which(self.compiler) and (not self.runner or shutil.which(self.runner))
        return "" if found else f"apt install {self.packages or self.compiler}"


_ARM = {"runner": "qemu-aarch64", "packages": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"}
_PPC = {"runner": "qemu-ppc", "packages": "gcc-powerpc-linux-gnu libc6-dev-powerpc-cross qemu-user"}

HOSTS = {
    row.name: row
    for row in (
        Host("x86-gcc-O3", "gcc", (*_NATIVE, "-O3")),
        Host("x86-gcc-O0", "gcc", ("-O0",)),
        Host("x86-clang-O3", "clang", (*_NATIVE, "-O3")),
        Host("aarch64-gcc-Os", "aarch64-linux-gnu-gcc", ("-static", "-Os"), **_ARM),
        Host("aarch64-gcc-O3", "aarch64-linux-gnu-gcc", ("-static", "-O3", "-std=gnu17"), **_ARM),
        Host("powerpc-gcc-O0", "powerpc-linux-gnu-gcc", ("-static", "-O0"), big_endian=True, **_PPC),
        Host("powerpc-gcc-Os", "powerpc-linux-gnu-gcc", ("-static", "-Os"), big_endian=True, **_PPC),
        Host("powerpc-gcc-O2", "powerpc-linux-gnu-gcc", ("-static", "-O2", "-std=gnu17"), big_endian=True, **_PPC),
        Host("powerpc-gcc-O3", "powerpc-linux-gnu-gcc", ("-static", "-O3"), big_endian=True, **_PPC),
    )
}
"""The computers by name, with the flags of somebody who knows none of ours."""


def run_on_host(folder: str | os.PathLike[str], host: Host, timeout_s: float = 120.0) -> tuple[int, dict]:
    """Compile the sources of an exported folder for `host` and run them.

    Returns the exit code of the program and what it sent, such as ``"hash"``.

    Raises:
        FirmwareBuildError: the compiler failed.
        EmulationError: the program did not end in time.
    """
    folder, port = Path(folder), port_files(TARGETS["host"])
    sources = [path for path in sorted(folder.rglob("*.c")) if path.parent.name != "port"]
    headers = {path.parent for path in folder.rglob("*.h") if path.parent.name not in ("port", "bpfree")}
    with tempfile.TemporaryDirectory(prefix="bpfree-") as scratch:
        program = Path(scratch) / "program"
        command = [host.compiler, *host.flags, *(f"-I{path}" for path in (*sorted(headers), port["port.h"].parent))]
        command += [*map(str, sources), str(port["port.c"]), "-o", str(program)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FirmwareBuildError(f"{host.name}: {done.stderr[:2000]}")
        sent = Messages(None, None)
        code, _ = listen([*filter(None, [host.runner]), str(program)], Path(scratch), sent, timeout_s)
    return code, sent.fields()
