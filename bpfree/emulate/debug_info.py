# SPDX-License-Identifier: MIT
"""Reads the debug information of an ELF file: which source file a function or variable is from, and stack frames."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._extras import need

FLAGS = ("-g", "-gdwarf-4")
"""What compilers are asked for: in version 5 of DWARF an address may be an index into another section."""

_NAMED = ("DW_TAG_subprogram", "DW_TAG_variable")
_ORIGINS = ("DW_AT_abstract_origin", "DW_AT_specification")
_OP_ADDR = 0x03
_STACK_POINTERS = {"EM_ARM": 13, "EM_RISCV": 2, "EM_X86_64": 7, "EM_AARCH64": 31}  # as DWARF numbers registers


@dataclass(frozen=True)
class DebugInfo:
    """What debug information says about addresses; the compiler's own library may have some in any program.

    sources: source file by (address, name) and, for addresses other than 0, where linkers put what they removed, by
        (address, "") as well. frames: bytes of stack that a function takes, by its address.
    """

    sources: dict[tuple[int, str], str]
    frames: dict[int, int]


def debug_info(path: str | os.PathLike[str]) -> DebugInfo:
    """Read the debug information of a linked program."""
    reader = need("elftools.elf.elffile").ELFFile
    with Path(path).open("rb") as file:
        elf = reader(file)
        if not elf.has_dwarf_info():
            return DebugInfo({}, {})
        dwarf = elf.get_dwarf_info()
        sources: dict[tuple[int, str], str] = {}
        for unit in dwarf.iter_CUs():
            for entry in unit.get_top_DIE().iter_children():
                address = _address(entry) if entry.tag in _NAMED else None
                if address is None:
                    continue
                named = _origin(entry)
                name, source = (_text(die, "DW_AT_name") for die in (named, named.cu.get_top_DIE()))
                sources[address, name] = source
                if address:
                    sources[address, ""] = source
        return DebugInfo(sources, _frames(dwarf, _STACK_POINTERS.get(elf["e_machine"])))


def _origin(entry: Any) -> Any:
    """Return the entry that has the name: with optimisation at link time it is in the unit of the source file."""
    for _ in range(4):  # a clone of an inlined function is two links away from it
        link = next((name for name in _ORIGINS if name in entry.attributes), None)
        if link is None:
            break
        entry = entry.get_DIE_from_attribute(link)
    return entry


def _address(entry: Any) -> int | None:
    """Return the address of a function or variable without the Thumb bit; None where it has none."""
    if entry.tag == "DW_TAG_variable":
        place = entry.attributes.get("DW_AT_location")
        code = place.value if place is not None else None
        return int.from_bytes(bytes(code[1:]), "little") if isinstance(code, list) and code[0] == _OP_ADDR else None
    low = entry.attributes.get("DW_AT_low_pc")
    return None if low is None else low.value & ~1


def _text(entry: Any, attribute: str) -> str:
    found = entry.attributes.get(attribute)
    return "" if found is None else found.value.decode("utf-8", "replace")


def _frames(dwarf: Any, stack_pointer: int | None) -> dict[int, int]:
    """Return the largest distance of the stack pointer from where it was at the call, in bytes, by function."""
    found: dict[int, int] = {}
    for entry in dwarf.CFI_entries() if dwarf.has_CFI() else ():
        if type(entry).__name__ != "FDE":
            continue
        rules = [row["cfa"] for row in entry.get_decoded().table]
        offsets = [rule.offset for rule in rules if rule.reg == stack_pointer and rule.offset is not None]
        address = entry["initial_location"] & ~1
        found[address] = max([found.get(address, 0), *offsets])
    return found
