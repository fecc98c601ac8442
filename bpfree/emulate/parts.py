# SPDX-License-Identifier: MIT
"""Divides the flash and RAM of a firmware among its functions and variables, without a byte left over."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .build import compile_firmware
from .debug_info import FLAGS, DebugInfo, debug_info
from .elf import Image, Section, Symbol
from .footprint import DATA_SECTION, WEIGHTS_SECTION
from .program import Firmware

UNNAMED = "(constants without a name, padding)"
LIBRARY = "(compiler's library)"


@dataclass(frozen=True)
class Part:
    """A function, a variable, or bytes of a section that have no name; an initialised variable is in flash and RAM."""

    symbol: str
    source: str  #: the file it was compiled from, below the folder; port/NAME where bpfree brings it
    section: str
    size: int  #: bytes
    stored: bool  #: whether it is in flash
    writable: bool  #: whether it is in RAM
    stack_bytes: int | None  #: stack that a call takes, without that of what it calls; None for variables, or unknown

    @property
    def apart(self) -> bool:
        """Whether it is initial weights or test data, which are counted apart from code."""
        return self.section in (WEIGHTS_SECTION, DATA_SECTION)

    @property
    def flash_bytes(self) -> int:
        """Bytes of flash, without weights and test data."""
        return self.size if self.stored and not self.apart else 0

    @property
    def ram_bytes(self) -> int:
        """Bytes of RAM, without the stack."""
        return self.size if self.writable else 0

    @property
    def weights_bytes(self) -> int:
        """Bytes of initial weights in flash."""
        return self.size if self.section == WEIGHTS_SECTION else 0

    @property
    def data_bytes(self) -> int:
        """Bytes of test data in flash."""
        return self.size if self.section == DATA_SECTION else 0


def parts(firmware: Firmware) -> tuple[Part, ...]:
    """Return everything that takes flash or RAM, by address; the sizes add up to those of the sections.

    Source files are found by debug information. A firmware without is built once more with it, which changes nothing
    of what goes to the device. With optimisation at link time a function that was inlined across files counts
    for the file of its caller.

    Raises:
        FirmwareBuildError, ImportError: as `compile_firmware`.
    """
    if firmware.extra_flags[-len(FLAGS) :] == FLAGS:
        return _parts(firmware, debug_info(firmware.elf))
    with tempfile.TemporaryDirectory(prefix="bpfree-") as scratch:
        again = compile_firmware(
            firmware.folder, target=firmware.target.name, optimize=firmware.optimize, compiler=firmware.compiler_name,
            output=Path(scratch) / "debug.elf", defines=firmware.defines, sources=firmware.sources,
            extra_flags=(*firmware.extra_flags, *FLAGS), lto=firmware.lto, emulator=firmware.emulator,
        )  # fmt: skip
        return _parts(again, debug_info(again.elf))


def _parts(firmware: Firmware, info: DebugInfo) -> tuple[Part, ...]:
    image, sources = Image(firmware.elf), _names(firmware)

    def source(symbol: Symbol) -> str:
        """Return the file that debug information names, else that of the file symbol before a local symbol."""
        found = info.sources.get((symbol.address, symbol.name)) or info.sources.get((symbol.address, ""))
        return sources.get(found or symbol.file, LIBRARY)

    return tuple(part for section in image.sections for part in _divide(section, image.symbols, source, info.frames))


def _names(firmware: Firmware) -> dict[str, str]:
    """Return the name to show of each source file, by what tools call it: its path, or the last part of that alone."""
    found = {}
    for path in firmware.sources:
        inside = path.is_relative_to(firmware.folder)
        name = path.relative_to(firmware.folder).as_posix() if inside else f"port/{path.name}"
        found |= {path.name: name, str(path): name, name: name}
    return found


def _divide(section: Section, symbols: list[Symbol], source, frames: dict[int, int]) -> Iterator[Part]:
    """Yield the parts of one section, from its first byte to its last."""
    end = section.address + section.size
    inside = [s for s in symbols if section.address <= s.address < end and (s.size or s.is_function)]
    inside.sort(key=lambda s: (s.address, -s.size, s.name))
    rest = Part(UNNAMED, UNNAMED, section.name, 0, section.stored, section.writable, None)
    at = section.address
    for number, symbol in enumerate(inside):
        if symbol.address < at:
            continue  # another name of the part before
        if symbol.address > at:
            yield replace(rest, size=symbol.address - at)
        later = (s.address for s in inside[number + 1 :] if s.address > symbol.address)
        size = symbol.size or next(later, end) - symbol.address  # hand-written assembly may not say how long it is
        at = min(symbol.address + size, end)
        named = replace(rest, symbol=symbol.name, source=source(symbol), size=at - symbol.address)
        yield replace(named, stack_bytes=frames.get(symbol.address)) if symbol.is_function else named
    if at < end:
        yield replace(rest, size=end - at)
