# SPDX-License-Identifier: MIT
"""A linked firmware, and everything that was decided when it was built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bpfree.exporters.targets import Memory, Target


@dataclass(frozen=True)
class Firmware:
    """A linked firmware and how it was built, in enough detail to build a comparable one."""

    elf: Path
    target: Target
    flags: tuple[str, ...]  #: every compiler and linker flag except paths
    compiler: str  #: name and version
    compiler_name: str  #: one of COMPILERS
    folder: Path
    sources: tuple[Path, ...]
    optimize: str  #: one of OPTIMIZE_LEVELS
    defines: tuple[str, ...]
    extra_flags: tuple[str, ...]
    lto: bool  #: whether the whole program was optimised at link time
    emulator: str  #: one of EMULATORS: the machine that it was linked for
    memory: Memory  #: of that machine
