# SPDX-License-Identifier: MIT
"""Reads the instructions of a firmware, to prove that none of them is a fused multiply-add."""

from __future__ import annotations

from collections.abc import Iterator

from ._extras import need
from .elf import Image
from .program import Firmware

# Multiply-adds that round once. vmla and vmls are allowed: they round twice, as separate instructions do.
_FUSED = ("vfma", "vfms", "vfnma", "vfnms", "fmadd", "fmsub", "fnmadd", "fnmsub")


def disassemble(firmware: Firmware) -> Iterator[str]:
    """Yield the mnemonic of each instruction of each linked function, in address order, e.g. "vmul.f32".

    The mapping symbols $t (code) and $d (data) tell constants between instructions, which are skipped.
    Bytes declared as code that do not decode are yielded as ".byte", so that nothing is omitted silently.

    Raises ImportError when capstone is not installed.
    """
    for _, name in _instructions(firmware):
        yield name


def fused_instructions(firmware: Firmware) -> list[str]:
    """Return each fused multiply-add as "function+0x10: vfma.f32"; an empty list means strict arithmetic."""
    return [f"{where}: {name}" for where, name in _instructions(firmware) if name.startswith(_FUSED)]


def _instructions(firmware: Firmware) -> Iterator[tuple[str, str]]:
    """Yield (function and offset, mnemonic) of each instruction."""
    capstone = need("capstone")
    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    decoder.skipdata = True
    image = Image(firmware.elf)
    marks = sorted((s.address, s.name[:2]) for s in image.symbols if s.name[:2] in ("$t", "$d"))
    end = 0
    for function in image.functions:
        start = max(function.address, end)  # aliases share an address and are read once
        end = max(end, function.address + function.size)
        for low, high in _code_ranges(marks, start, end):
            for instruction in decoder.disasm(_read(image, low, high), low):
                yield image.nearest(instruction.address), instruction.mnemonic


def _code_ranges(marks: list[tuple[int, str]], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the address ranges in [start, end) that mapping symbols declare to be code."""
    code, low = True, start
    for address, kind in marks:
        if address >= end:
            break
        if address <= start:
            code = kind == "$t"
            continue
        if code and low < address:
            yield low, address
        code, low = kind == "$t", address
    if code and low < end:
        yield low, end


def _read(image: Image, low: int, high: int) -> bytes:
    for section in image.sections:
        if section.stored and section.address <= low and high <= section.address + section.size:
            return section.data[low - section.address : high - section.address]
    raise ValueError(f"no section holds the function at {low:#x}")
