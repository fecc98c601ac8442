# SPDX-License-Identifier: MIT
"""Bytes of a journal file, written and read; runtime_c/FORMAT.md specifies them and journal.c does the same.

Only here and in journal.c are a journal's bytes looked at. Nothing in them is
trusted: sizes are checked before anything is taken, damage is found by CRC.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from bpfree import settings
from bpfree.errors import FormatError
from bpfree.graph import fnv1a64

MAGIC = b"BPFJ\r\n\x1a\n"
VERSION = 1
MAX_SETTINGS = 1 << 16
"""Bytes of settings a header may hold."""

MAX_TEXT = 1 << 12
"""Bytes of text an EVENT may hold."""

_HEAD = struct.Struct("<8sIIQQQIIIIII")
_RECORD = struct.Struct("<III")
_CRC = struct.Struct("<I")
_PLACE = struct.Struct("<Q")
_MOST_FLOATS = 1 << 30


class Type(IntEnum):
    """What a record holds; SCALARS and SNAPSHOT are also the two kinds of journals."""

    SCALARS = 1
    SNAPSHOT = 2
    EVENT = 3


class Code(IntEnum):
    """What an EVENT tells."""

    END = 1
    VALIDATION = 2


class Header(NamedTuple):
    """A journal's first bytes, and what they are a function of: settings, base hash, first step."""

    kind: Type
    record_shape: tuple[int, int]
    n_theta: int
    n_state: int
    first_step: int
    base_hash: str
    settings: str
    data: bytes

    @property
    def n_record(self) -> int:
        """Floats of a SCALARS record."""
        return self.record_shape[0] * self.record_shape[1] if self.kind is Type.SCALARS else 0

    @property
    def crc(self) -> int:
        """CRC-32 of the header: the seed of every record's."""
        return _CRC.unpack(self.data[-_CRC.size :])[0]


def make_header(text: str, base_hash: str, first_step: int = 0) -> Header:
    """The header of a journal. Raises FormatError when the text holds no settings."""
    document = settings.load(text)
    try:
        kind, (groups, queries) = Type[document["journal"]], document["record"]
        n_record = groups * queries if kind is Type.SCALARS else 0
        sizes = (document["n_theta"], n_record, document["n_state"])
        raw = text.encode()
        numbers = (int(document["model"], 16), int(base_hash, 16), fnv1a64(raw), document["seed"], *sizes)
        head = _HEAD.pack(MAGIC, VERSION, kind, *numbers, first_step, len(raw)) + raw
        empty = kind is Type.EVENT or min(sizes[0], groups, queries) < 1
    except (ValueError, LookupError, TypeError, struct.error) as error:
        raise FormatError(f"settings: not those of a run: {error}") from None
    n_theta, n_record, n_state = sizes
    if empty:
        raise FormatError("settings: not those of a run that a journal can hold")
    if len(raw) > MAX_SETTINGS or max(n_theta + n_state, n_record) >= _MOST_FLOATS:
        raise FormatError(f"settings: too large for a journal: {n_theta} parameters, {n_state} floats of state")
    data = head + _CRC.pack(zlib.crc32(head))
    return Header(kind, (groups, queries), n_theta, n_state, first_step, f"{numbers[1]:016x}", text, data)


def read_header(data) -> Header:
    """The header at the start of these bytes. Raises FormatError saying what is wrong."""
    if len(data) < _HEAD.size:
        raise FormatError(f"{len(data)} bytes are too few for a journal's header" if len(data) else "the file is empty")
    magic, version, _, _, base, _, _, _, _, _, first_step, n_text = _HEAD.unpack(data[: _HEAD.size])
    if magic != MAGIC:
        raise FormatError("not a bpfree journal")
    if version != VERSION:
        raise FormatError(f"expected version {VERSION}, got {version}: update bpfree")
    stop = _HEAD.size + n_text
    if n_text > MAX_SETTINGS or stop + _CRC.size > len(data):
        raise FormatError(f"a header with {n_text} bytes of settings in a file of {len(data)}")
    if zlib.crc32(data[:stop]) != _CRC.unpack(data[stop : stop + _CRC.size])[0]:
        raise FormatError(f"bytes 0 to {stop + _CRC.size - 1}: the header is damaged (CRC)")
    try:
        text = bytes(data[_HEAD.size : stop]).decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"settings: {error}") from None
    header = make_header(text, f"{base:016x}", first_step)
    if header.data != data[: len(header.data)]:
        raise FormatError("the header contradicts the settings in it")
    return header


def make_record(header: Header, at: int, kind: Type, step: int, payload: bytes) -> bytes:
    """A record for byte `at` of the journal with this header."""
    head = _RECORD.pack(kind, step, len(payload))
    return head + _CRC.pack(_check(header, at, head, payload)) + payload


def _check(header, at, head, payload) -> int:
    # Seeded with the header and the place: a record of another journal, or one that moved, does not pass.
    return zlib.crc32(payload, zlib.crc32(_PLACE.pack(at) + head, header.crc))


def event_payload(code: Code, text: str) -> bytes:
    """Code and text, cut to what an EVENT may hold."""
    return _CRC.pack(code) + text.encode()[:MAX_TEXT]


class Entry(NamedTuple):
    """One record: `at` is its first byte, `stop` that of the next."""

    kind: Type
    step: int
    payload: memoryview
    at: int
    stop: int

    def floats(self) -> np.ndarray:
        """The payload of SCALARS or a SNAPSHOT, read-only."""
        return np.frombuffer(self.payload, "<f4").astype(np.float32, copy=False)

    def event(self) -> tuple[int, str]:
        """Code and text of an EVENT."""
        code = _CRC.unpack(self.payload[: _CRC.size])[0]
        return code, bytes(self.payload[_CRC.size :]).decode(errors="replace")


def read_records(data: memoryview, header: Header) -> Iterator[Entry]:
    """The records of a journal in order, up to its end or its torn tail.

    A bad record with no good one anywhere after it is the torn tail of a write
    that was cut off; it ends the journal. Raises FormatError at a bad record
    that good ones follow, and at one whose CRC is right but that contradicts
    the journal: a step out of order, numbers that are not finite.
    """
    at, step = len(header.data), header.first_step
    while at < len(data):
        record = _read(data, header, at)
        if record is None:
            _refuse_damage(data, header, at)
            return
        step = _follow(header, record, step)
        yield record
        at = record.stop


def _read(data, header, at) -> Entry | None:
    """The good record at a byte, or None."""
    start = at + _RECORD.size + _CRC.size
    if start > len(data):
        return None
    kind, step, size = _RECORD.unpack(data[at : at + _RECORD.size])
    if not _fits(header, kind, size) or start + size > len(data):
        return None
    payload = data[start : start + size]
    if _check(header, at, data[at : at + _RECORD.size], payload) != _CRC.unpack(data[start - _CRC.size : start])[0]:
        return None
    return Entry(Type(kind), step, payload, at, start + size)


def _fits(header, kind, size) -> bool:
    if kind == Type.EVENT:
        return _CRC.size <= size <= _CRC.size + MAX_TEXT
    if kind == Type.SCALARS:
        return header.kind == Type.SCALARS and size == 4 * header.n_record
    return kind == Type.SNAPSHOT and size == 4 * (header.n_theta + header.n_state)


def _refuse_damage(data, header, bad) -> None:
    """Raise when a good record follows the bad one, or when there are too many candidates to tell."""
    left = 4 * (len(data) - bad) + MAX_SETTINGS  # bytes to look at: bounds the time that a hostile file can take
    for candidate in re.finditer(rb"[\x01-\x03]\0\0\0", data[bad + 1 :]):
        at = bad + 1 + candidate.start()
        head = data[at : at + _RECORD.size]
        if len(head) < _RECORD.size or not _fits(header, *_RECORD.unpack(head)[::2]):
            continue
        left -= _RECORD.unpack(head)[2]
        if left < 0 or _read(data, header, at):
            raise FormatError(f"byte {bad}: the record is damaged, and not the last one")


def _follow(header, record, step) -> int:
    """The next step after a record, which must fit the one before. Raises FormatError."""
    free = header.kind == Type.SNAPSHOT  # steps without a record lie between
    if record.step < step or (record.step > step and not free):
        raise FormatError(f"byte {record.at}: a record of step {record.step} where {step} is next")
    if record.kind == Type.SCALARS:
        if not np.isfinite(record.floats()).all():
            raise FormatError(f"byte {record.at}: coefficients of step {step} are not finite")
        return step + 1
    if record.kind == Type.SNAPSHOT and not np.isfinite(record.floats()[: header.n_theta]).all():
        raise FormatError(f"byte {record.at}: parameters at step {record.step} are not finite")
    return record.step
