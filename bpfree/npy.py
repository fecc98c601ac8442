# SPDX-License-Identifier: MIT
"""The header of a .npy file, read without evaluating it: NumPy's own reader hands it to Python's parser."""

from __future__ import annotations

import re
from math import prod

import numpy as np

_FIELD = re.compile(
    r"""\s*+['"](?P<key>descr|fortran_order|shape)['"]\s*+:\s*+"""
    r"""(?:['"](?P<text>[^'"]*+)['"]|(?P<truth>True|False)|\((?P<sizes>[0-9L,\s]*+)\))\s*+,?"""
)
"""An entry of the header's dictionary. `++` and `*+` give nothing back, so that no text takes long."""

_PLAIN = re.compile(r"[<>|=]?[?biufSU][0-9]{0,9}")
"""Types of real numbers and of texts."""

_MOST = 2**63
_LAST_CHARACTER = 0x10FFFF


def parse_npy(name: str, data: bytes) -> np.ndarray:
    """Return the array, read-only, in the bytes of a .npy file of version 1; raise ValueError for any other.

    Its size is that of the bytes that are there: nothing is allocated for what a header claims.
    """
    if data[:6] != b"\x93NUMPY" or len(data) < 10:
        raise ValueError(f"{name}: not an array of NumPy")
    if data[6:8] != b"\x01\x00":
        raise ValueError(f"{name}: npy version {tuple(data[6:8])}, expected (1, 0)")
    start = 10 + int.from_bytes(data[8:10], "little")
    fields = _fields(name, data[10:start].decode("latin1"))
    dtype, shape = _dtype(name, fields["descr"]), _shape(name, fields["shape"])
    rest = memoryview(data)[start:]
    if len(rest) != prod(shape) * dtype.itemsize:
        raise ValueError(f"{name}: {len(rest)} bytes for shape {shape} of {dtype}")
    if dtype.kind == "U" and rest and np.frombuffer(rest, f"{dtype.byteorder}u4").max() > _LAST_CHARACTER:
        raise ValueError(f"{name}: expected a text, got numbers that are no characters")
    return np.frombuffer(rest, dtype).reshape(shape, order="F" if fields["fortran_order"] == "True" else "C")


def _fields(name: str, header: str) -> dict[str, str]:
    """Texts of the three entries, by key."""
    text, found, at = header.strip(), {}, 1
    while entry := _FIELD.match(text, at):
        found[entry["key"]] = next(value for value in entry.group("text", "truth", "sizes") if value is not None)
        at = entry.end()
    if (
        text[:1] != "{"
        or text[at:].strip() != "}"
        or len(found) != 3
        or found["fortran_order"] not in ("True", "False")
    ):
        raise ValueError(f"{name}: expected an array's header, got {header[:60]!r}")
    return found


def _dtype(name: str, text: str) -> np.dtype:
    if "O" in text:
        raise ValueError(f"{name}: expected plain numbers, got Python objects")
    try:
        dtype = np.dtype(text if _PLAIN.fullmatch(text) else "V0")
    except TypeError:  # a float of 3 bytes
        dtype = np.dtype("V0")
    if dtype.itemsize == 0 or dtype.kind == "V":
        raise ValueError(f"{name}: expected real numbers or texts, got the type {text[:60]!r}")
    return dtype


def _shape(name: str, text: str) -> tuple[int, ...]:
    sizes = [part.strip().removesuffix("L") for part in text.split(",")]  # Python 2 wrote 3L
    sizes = sizes[:-1] if sizes[-1] == "" else sizes
    if not all(part.isdecimal() and len(part) < 20 for part in sizes) or any(int(part) >= _MOST for part in sizes):
        raise ValueError(f"{name}: expected an array's shape, got ({text[:60]})")
    return tuple(map(int, sizes))
