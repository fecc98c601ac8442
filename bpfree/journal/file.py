# SPDX-License-Identifier: MIT
"""Appending to a journal's file, and going on in one where a checkpoint says."""

from __future__ import annotations

import hashlib
import os
import zlib
from typing import NamedTuple

import numpy as np

from bpfree.errors import FormatError
from bpfree.files import open_regular, read_start
from bpfree.journal.format import Code, Header, Type, follow, make_record, read_records, told_payload


class Position(NamedTuple):
    """A place between two records: bytes before it, and their CRC-32."""

    at: int
    crc: int


class JournalFile:
    """A journal's file, open for appending: one record a call, handed to the system at once.

    SNAPSHOT and SEAL records, sync() and close() wait until the bytes are on the
    disk. What a power cut tears off after that is the end of the file, which
    readers recognise. What a reader would refuse is not written: ValueError.
    """

    def __init__(self, path, header: Header, file):
        self._header, self._file, self.path = header, file, path
        self.position, self._seen, self._step = Position(0, 0), hashlib.sha256(), header.first_step

    @classmethod
    def create(cls, path, header: Header) -> JournalFile:
        """Make a new file with nothing but the header. Raises FileExistsError rather than overwrite one."""
        file = open(path, "x+b", buffering=0)
        try:
            self = cls(path, header, file)
            self._write(header.data)
            self.sync()
            return self
        except OSError:
            file.close()
            os.remove(path)
            raise

    @classmethod
    def reopen(cls, path, header: Header, position: Position, step: int) -> JournalFile:
        """Go on at a position, where this step is next; what the file holds after it is cut off.

        Raises FormatError, leaving the file alone, when it is not the one that was marked.
        """
        file = open(path, "r+b", buffering=0)
        try:
            if file.read(len(header.data)) != header.data:
                raise FormatError(f"{path}: not the journal of this run")
            self = cls(path, header, file)
            if not self._settle(position):
                raise FormatError(f"{path}: not as the checkpoint left it: its first {position.at} bytes differ")
            if self._step > step or (self._step < step and header.kind is Type.SCALARS):
                raise FormatError(f"{path}: expected step {step} next, by the checkpoint's losses, got {self._step}")
            self.cut(position)
            return self
        except BaseException:
            file.close()
            raise

    def cut(self, position: Position) -> None:
        """Drop everything after a position."""
        self._file.truncate(position.at)
        self._file.seek(position.at)
        self._settle(position)

    def _settle(self, position: Position) -> bool:
        """Read hash and next step at a position; return False where the bytes before it are not as they were."""
        data = memoryview(read_start(self._file, position.at))
        if not len(self._header.data) <= position.at == len(data) or zlib.crc32(data) != position.crc:
            return False
        self.position, self._seen, self._step = position, hashlib.sha256(data), self._header.first_step
        for record in read_records(data, self._header):
            self._step = follow(self._header, record.kind, record.step, record.payload, self._step)
        return True

    def scalars(self, step: int, coefficients) -> None:
        """Write the coefficients of a step."""
        self._append(Type.SCALARS, step, _bytes(coefficients))

    def snapshot(self, step: int, theta, state) -> None:
        """Write theta and the update's state before a step."""
        self._append(Type.SNAPSHOT, step, b"".join(map(_bytes, (theta, *state))))
        self.sync()

    def event(self, step: int, code: Code, text: str) -> None:
        """Write something that happened before a step."""
        self._append(Type.EVENT, step, told_payload(code, text))

    def skip(self, step: int, code: int, text: str) -> None:
        """Write that a step moved nothing, and why."""
        self._append(Type.SKIP, step, told_payload(code, text))

    def seal(self) -> tuple[int, str, int]:
        """Write SHA-256 of all bytes so far: (the step that is due, the hash in hex digits, how many bytes)."""
        step, digest, at = self._step, self._seen.copy(), self.position.at
        self._append(Type.SEAL, step, digest.digest())
        self.sync()
        return step, digest.hexdigest(), at

    def sync(self) -> None:
        """Return when all bytes are on the disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._named(error) from None

    def close(self) -> None:
        """Sync and close."""
        try:
            self.sync()
        finally:
            self._file.close()

    def _append(self, kind, step, payload) -> None:
        due = follow(self._header, kind, step, payload, self._step)
        self._write(make_record(self._header, self.position.at, kind, step, payload))
        self._step = due

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise self._named(error) from None
        self._seen.update(data)
        self.position = Position(self.position.at + len(data), zlib.crc32(data, self.position.crc))

    def _named(self, error: OSError) -> OSError:
        """An error of the system, which does not say of itself which file it is about."""
        return OSError(error.errno, error.strerror, os.fspath(self.path))


def _bytes(values) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


def holds_nothing(path, header: Header, snapshots) -> bool:
    """Return whether a file holds only the header and these snapshots, or a part of them: nothing is lost then."""
    beginning = header.data
    for s in snapshots:
        payload = _bytes(s.theta) + _bytes(s.state)
        beginning += make_record(header, len(beginning), Type.SNAPSHOT, s.step, payload)
    with open_regular(path) as file:
        return beginning.startswith(file.read(len(beginning) + 1))
