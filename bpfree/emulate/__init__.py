# SPDX-License-Identifier: MIT
"""Compiles firmware with pip packages alone, runs it on an emulated Cortex-M, and measures it.

The packages (ziglang, unicorn, pyelftools, capstone) come with ``pip install "bpfree[emulate]"`` and are
imported when a function first needs them. The firmware uses the port in runtime_c/ports/cortex_m.
"""

from .build import Firmware, compile_firmware
from .compilers import COMPILERS, FirmwareBuildError
from .disassembly import disassemble, fused_instructions
from .footprint import Footprint, empty_firmware, footprint, symbols
from .machine import run_firmware
from .results import EmulationError, EmulationResult, Mark
from .targets import TARGETS, Target, find_target

__all__ = [
    "COMPILERS",
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
