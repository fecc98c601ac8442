# SPDX-License-Identifier: MIT
"""Structs of the C runtime, described: made in memory here, printed by the firmware exporter."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.native.loading import core


@dataclass(frozen=True)
class Symbol:
    """A row of a C table: looked up by number (`bpfree_registry_<table>`) on a host, named `c` in firmware."""

    table: str
    number: int
    c: str


@dataclass(frozen=True)
class Array:
    """A pointer to structs of this type, each a dict of its fields; NULL if there are none. names: for comments."""

    type: str
    rows: tuple[dict, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Struct:
    """A struct of this type. fields: numbers, `Array` and `Symbol`; what is left out is 0 or NULL."""

    type: str
    fields: dict

    def symbols(self, table: str) -> set[str]:
        """The C names of the rows of this table that it points to, itself or in its arrays."""
        found, waiting = set(), [self.fields]
        while waiting:
            for value in waiting.pop().values():
                if isinstance(value, Symbol) and value.table == table:
                    found.add(value.c)
                waiting += value.rows if isinstance(value, Array) else ()
        return found


def make(struct: Struct | None):
    """Return a pointer to the struct, NULL for None, and a list of what it points to, which the caller keeps."""
    if struct is None:
        return core().ffi.NULL, []
    kept = []
    pointer = core().ffi.new(f"{struct.type} *", {name: _made(value, kept) for name, value in struct.fields.items()})
    return pointer, [pointer, *kept]


def _made(value, kept: list):
    """Return a field as cffi takes it."""
    if isinstance(value, Symbol):
        return getattr(core().lib, f"bpfree_registry_{value.table}")(value.number)
    if not isinstance(value, Array):
        return value
    if not value.rows:
        return core().ffi.NULL
    rows = [{name: _made(inner, kept) for name, inner in row.items()} for row in value.rows]
    kept.append(core().ffi.new(f"{value.type}[]", rows))
    return kept[-1]
