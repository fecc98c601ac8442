# SPDX-License-Identifier: MIT
"""Compiles firmware with pip packages alone, runs it on an emulated Cortex-M or RISC-V, and measures it.

The packages (ziglang, unicorn, pyelftools, capstone) come with ``pip install "bpfree[emulate]"`` and are
imported when a function first needs them. GNU toolchains, clang and qemu are used where they are installed.
"""

from bpfree.exporters.targets import TARGETS, Target, find_target

from .build import compile_firmware
from .compilers import COMPILERS, FirmwareBuildError
from .disassembly import disassemble, fused_instructions
from .emulators import EMULATORS, run_firmware
from .footprint import Footprint, empty_firmware, footprint, symbols
from .program import Firmware
from .results import EmulationError, EmulationResult, Mark

__all__ = [
    "COMPILERS",
    "EMULATORS",
    "TARGETS",
    "EmulationError",
    "EmulationResult",
    "Firmware",
    "FirmwareBuildError",
    "Footprint",
    "Mark",
    "Target",
    "compile_firmware",
    "disassemble",
    "empty_firmware",
    "find_target",
    "footprint",
    "fused_instructions",
    "run_firmware",
    "symbols",
]
