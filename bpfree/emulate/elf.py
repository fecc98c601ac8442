# SPDX-License-Identifier: MIT
"""Reads a linked firmware: its bytes to load, its sections and its symbols."""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._extras import need

_ALLOCATED = 2  # SHF_ALLOC
_WRITABLE = 1  # SHF_WRITE


@dataclass(frozen=True)
class Section:
    """A section that occupies memory on the device."""

    name: str
    address: int
    size: int  # bytes
    writable: bool
    stored: bool  # whether it has contents in flash, unlike .bss
    data: bytes


@dataclass(frozen=True)
class Symbol:
    """A named symbol; `address` is without the Thumb bit."""

    name: str
    address: int
    size: int  # bytes, 0 for labels of the linker script
    is_function: bool
    file: str = ""  # source file of a local symbol, where the linker knows it


class Image:
    """The contents of one ELF file, which is read once and then closed.

    Raises FileNotFoundError, ELFError (of elftools) for a file that is not ELF, and ImportError without pyelftools.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        reader = need("elftools.elf.elffile").ELFFile
        with Path(path).open("rb") as file:
            elf = reader(file)
            self.segments = [  # (load address, bytes)
                (s["p_paddr"], s.data()) for s in elf.iter_segments("PT_LOAD") if s["p_filesz"]
            ]
            self.sections = [
                Section(s.name, s["sh_addr"], s["sh_size"], bool(s["sh_flags"] & _WRITABLE),
                        s["sh_type"] != "SHT_NOBITS", s.data() if s["sh_type"] != "SHT_NOBITS" else b"")
                for s in elf.iter_sections()
                if s["sh_flags"] & _ALLOCATED and s["sh_size"]
            ]  # fmt: skip
            table = elf.get_section_by_name(".symtab")
            self.symbols = list(_symbols(table)) if table is not None else []
        self.functions = sorted((s for s in self.symbols if s.is_function), key=lambda s: (s.address, s.name))
        self._starts = [s.address for s in self.functions]

    def address_of(self, name: str) -> int:
        """Return the address of symbol `name`; raise KeyError when it was not linked."""
        for symbol in self.symbols:
            if symbol.name == name:
                return symbol.address
        raise KeyError(f"no symbol {name!r} in the firmware (not linked, or removed as unused)")

    def nearest(self, address: int) -> str:
        """Return the function that holds `address` as "name+0x1c", or "?" when there is none."""
        i = bisect.bisect_right(self._starts, address) - 1
        if i < 0 or address >= self._starts[i] + max(self.functions[i].size, 4):
            return "?"
        offset = address - self._starts[i]
        return self.functions[i].name + (f"+{offset:#x}" if offset else "")


def _symbols(table: Any) -> Iterator[Symbol]:
    """Yield the symbols with a name; a symbol of type FILE names the source of the local ones behind it."""
    file = ""
    for entry in table.iter_symbols():
        kind, local = entry["st_info"]["type"], entry["st_info"]["bind"] == "STB_LOCAL"
        if kind == "STT_FILE":
            file = entry.name
        elif entry.name:
            function, address = kind == "STT_FUNC", entry["st_value"]
            address = address & ~1 if function else address
            yield Symbol(entry.name, address, entry["st_size"], function, file if local else "")
