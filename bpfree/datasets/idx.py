# SPDX-License-Identifier: MIT
"""Reads the idx format of MNIST: big-endian sizes, then bytes, often gzip-compressed."""

from __future__ import annotations

import struct
import zlib
from math import prod

import numpy as np

from bpfree.errors import FormatError

_UINT8 = 0x08
_MOST = 1 << 30
"""Bytes that an array may have at most; MNIST's largest has 47 million."""


def parse_idx(name: str, data: bytes, dimensions: int) -> np.ndarray:
    """Return the uint8 array in the bytes of an idx file, gzip-compressed or not; messages begin with `name`.

    Layout: two zero bytes, the type (8: uint8), the number of dimensions, one
    big-endian uint32 per dimension, then the elements in C order and nothing
    more. The sizes are checked before memory of that size is allocated. Raises
    FormatError for any other contents.

    >>> parse_idx("labels", bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]), dimensions=1)
    array([7, 2, 1], dtype=uint8)
    """
    size = 4 + 4 * dimensions
    source = _Gzip(name, data) if data[:2] == b"\x1f\x8b" else _Plain(data)
    header = source.take(size)
    if len(header) < size or header[:4] != bytes([0, 0, _UINT8, dimensions]):
        raise FormatError(f"{name}: expected an idx file of bytes in {dimensions} dimensions, got header {header!r}")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    wanted = prod(shape)
    if not 0 < wanted <= _MOST:
        raise FormatError(f"{name}: expected 1 to {_MOST:,} elements, got shape {shape}")
    body = source.take(wanted + 1)
    if len(body) != wanted:
        got = "more" if len(body) > wanted else f"{len(body):,}"
        raise FormatError(f"{name}: expected {wanted:,} bytes for shape {shape}, got {got}")
    return np.frombuffer(body, np.uint8).reshape(shape)


class _Plain:
    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        """Return the next bytes, at most `count`."""
        part = self._data[self._at : self._at + count]
        self._at += len(part)
        return part


class _Gzip:
    def __init__(self, name: str, data: bytes):
        self._name, self._rest, self._stream = name, data, zlib.decompressobj(zlib.MAX_WBITS | 16)

    def take(self, count: int) -> bytes:
        """Return the next unpacked bytes, at most `count`; the checksum is verified at the end of the data."""
        try:
            part = self._stream.decompress(self._rest, count)
        except zlib.error as error:
            raise FormatError(f"{self._name}: damaged gzip data: {error}") from None
        self._rest = self._stream.unconsumed_tail
        if len(part) < count and not self._stream.eof:
            raise FormatError(f"{self._name}: gzip data ends too early")
        if self._stream.unused_data:
            raise FormatError(f"{self._name}: {len(self._stream.unused_data)} bytes follow the gzip data")
        return part
