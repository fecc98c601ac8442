# SPDX-License-Identifier: MIT
"""Appending to a journal's file, and going on in one where a checkpoint says."""

from __future__ import annotations

import os
import zlib
from typing import NamedTuple

import numpy as np

from bpfree.errors import FormatError
from bpfree.journal.format import Code, Header, Type, event_payload, make_record

_PIECE = 1 << 20


class Position(NamedTuple):
    """A place between two records: bytes before it, and their CRC-32."""

    at: int
    crc: int


class JournalFile:
    """A journal's file, open for appending: one record a call, handed to the system at once.

    SNAPSHOT records, sync() and close() wait until the bytes are on the disk.
    What a power cut tears off after that is the end of the file, which readers
    recognise.
    """

    def __init__(self, path, header: Header, file, position: Position):
        self._header, self._file, self.path, self.position = header, file, path, position

    @classmethod
    def create(cls, path, header: Header) -> JournalFile:
        """A new file with nothing but the header. Raises FileExistsError rather than overwrite one."""
        file = open(path, "xb", buffering=0)
        try:
            self = cls(path, header, file, Position(0, 0))
            self._write(header.data)
            self.sync()
            return self
        except OSError:
            file.close()
            os.remove(path)
            raise

    @classmethod
    def reopen(cls, path, header: Header, position: Position) -> JournalFile:
        """Go on at a position; what the file holds after it is cut off.

        Raises FormatError, leaving the file alone, when it is not the one that was marked.
        """
        file = open(path, "r+b", buffering=0)
        try:
            if file.read(len(header.data)) != header.data:
                raise FormatError(f"{path}: not the journal of this run")
            if _position(file, header, position.at) != position:
                raise FormatError(f"{path}: not as the checkpoint left it: its first {position.at} bytes differ")
            self = cls(path, header, file, position)
            self.cut(position)
            return self
        except BaseException:
            file.close()
            raise

    def cut(self, position: Position) -> None:
        """Drop everything after a position."""
        self._file.seek(position.at)
        self._file.truncate()
        self.position = position

    def scalars(self, step: int, coefficients) -> None:
        """The coefficients of a step."""
        self._append(Type.SCALARS, step, _bytes(coefficients))

    def snapshot(self, step: int, theta, state) -> None:
        """theta and the update's state before a step."""
        self._append(Type.SNAPSHOT, step, b"".join(map(_bytes, (theta, *state))))
        self.sync()

    def event(self, step: int, code: Code, text: str) -> None:
        """Something that happened before a step."""
        self._append(Type.EVENT, step, event_payload(code, text))

    def sync(self) -> None:
        """Return when all bytes are on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and close."""
        try:
            self.sync()
        finally:
            self._file.close()

    def _append(self, kind, step, payload) -> None:
        self._write(make_record(self._header, self.position.at, kind, step, payload))

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        self.position = Position(self.position.at + len(data), zlib.crc32(data, self.position.crc))


def _position(file, header, at) -> Position:
    """The position at a byte of a file that has been read up to the end of the header."""
    done, crc = len(header.data), zlib.crc32(header.data)
    while piece := file.read(max(0, min(_PIECE, at - done))):
        done, crc = done + len(piece), zlib.crc32(piece, crc)
    return Position(done, crc)


def _bytes(values) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


def holds_nothing(path, header: Header) -> bool:
    """Is this file the beginning of a journal with this header, without a complete record? Nothing is lost with it."""
    with open(path, "rb") as file:
        return header.data.startswith(file.read(len(header.data) + 1))
