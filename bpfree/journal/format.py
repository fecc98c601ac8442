# SPDX-License-Identifier: MIT
"""Bytes of a journal file, written and read; runtime_c/FORMAT.md specifies them and journal.c does the same.

Only here and in journal.c are a journal's bytes looked at. Nothing in them is
trusted: sizes are checked before anything is taken, damage is found by CRC.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from bpfree import settings
from bpfree.errors import FormatError, check_choice, check_count, check_version
from bpfree.graph import fnv1a64

MAGIC = b"BPFJ\r\n\x1a\n"
VERSION = 2
PROGRAM_SIZES = (1, 8, 16, 32)
"""Bytes that a flash programs at once; everything in a journal begins at a multiple of them."""

MAX_SETTINGS = 1 << 16
"""Bytes of settings a header may hold."""

MAX_TEXT = 1 << 12
"""Bytes of text an EVENT or a SKIP may hold."""

_HEAD = struct.Struct("<8sIIQQQIIIIIII")
_RECORD = struct.Struct("<III")
_CRC = struct.Struct("<I")
_PLACE = struct.Struct("<Q")
_MOST_FLOATS = 1 << 30


class Damaged(FormatError):
    """A record is damaged or contradicts the journal; all before it is good."""


class Type(IntEnum):
    """What a record holds; SCALARS and SNAPSHOT are also the two kinds of journals."""

    SCALARS = 1
    SNAPSHOT = 2
    EVENT = 3
    SKIP = 4
    SEAL = 5


class Code(IntEnum):
    """What an EVENT tells."""

    END = 1
    VALIDATION = 2
    WENT_BACK = 3


class Reason(IntEnum):
    """Why a step moved nothing, a SKIP's code."""

    OTHER = 1
    SAMPLE = 2
    NUMERIC = 3


class Header(NamedTuple):
    """A journal's first bytes, and what they are a function of: settings, base hash, first step, program size."""

    kind: Type
    record_shape: tuple[int, int]
    n_theta: int
    n_state: int
    first_step: int
    base_hash: str
    settings: str
    program_size: int
    data: bytes

    @property
    def n_record(self) -> int:
        """Number of floats in a SCALARS record."""
        return self.record_shape[0] * self.record_shape[1] if self.kind is Type.SCALARS else 0

    @property
    def crc(self) -> int:
        """CRC-32 of the header, from which that of every record starts."""
        return _CRC.unpack(self.data[-_CRC.size :])[0]


def _zeros(size: int, program_size: int) -> bytes:
    """Return the zeros that fill this many bytes up to whole programs."""
    return bytes(-size % program_size)


def make_header(text: str, base_hash: str, first_step: int = 0, program_size: int = 1) -> Header:
    """Return the header of a journal. Raises FormatError when the text holds no settings."""
    check_choice("program_size", program_size, PROGRAM_SIZES)
    document = settings.load(text)
    try:
        kind, (groups, queries) = Type[document["journal"]], document["record"]
        for name, size in (("record", groups), ("record", queries), ("n_theta", document["n_theta"])):
            check_count(name, size)  # before sizes are multiplied: a text times a number is a long text
        n_record = groups * queries if kind is Type.SCALARS else 0
        sizes = (document["n_theta"], n_record, document["n_state"])
        raw = text.encode()
        numbers = (int(document["model"], 16), int(base_hash, 16), fnv1a64(raw), document["seed"], *sizes)
        head = _HEAD.pack(MAGIC, VERSION, kind, *numbers, first_step, program_size, len(raw)) + raw
        head += _zeros(len(head) + _CRC.size, program_size)
        empty = kind not in (Type.SCALARS, Type.SNAPSHOT) or min(sizes[0], groups, queries) < 1
    except (ValueError, LookupError, TypeError, struct.error) as error:
        raise FormatError(f"settings: not those of a run: {error}") from None
    n_theta, n_record, n_state = sizes
    if empty:
        raise FormatError("settings: not those of a run that a journal can hold")
    if len(raw) > MAX_SETTINGS or max(n_theta + n_state, n_record) >= _MOST_FLOATS:
        raise FormatError(f"settings: too large for a journal: {n_theta} parameters, {n_state} floats of state")
    data = head + _CRC.pack(zlib.crc32(head))
    base = f"{numbers[1]:016x}"
    return Header(kind, (groups, queries), n_theta, n_state, first_step, base, text, program_size, data)


def read_header(data) -> Header:
    """Return the header at the start of these bytes. Raises FormatError, which says what is wrong."""
    if len(data) < _HEAD.size:
        raise FormatError(f"{len(data)} bytes are too few for a journal's header" if len(data) else "the file is empty")
    magic, version, _, _, base, _, _, _, _, _, first_step, program_size, n_text = _HEAD.unpack(data[: _HEAD.size])
    if magic != MAGIC:
        raise FormatError("not a bpfree journal")
    check_version(version, VERSION)
    if program_size not in PROGRAM_SIZES:
        raise FormatError(f"the header contradicts itself: programs of {program_size} bytes")
    stop = _HEAD.size + n_text
    stop += len(_zeros(stop + _CRC.size, program_size))
    if n_text > MAX_SETTINGS or stop + _CRC.size > len(data):
        raise FormatError(f"a header with {n_text} bytes of settings in a file of {len(data)}")
    if zlib.crc32(data[:stop]) != _CRC.unpack(data[stop : stop + _CRC.size])[0]:
        raise FormatError(f"bytes 0 to {stop + _CRC.size - 1}: the header is damaged (CRC)")
    try:
        text = bytes(data[_HEAD.size : _HEAD.size + n_text]).decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"settings: {error}") from None
    header = make_header(text, f"{base:016x}", first_step, program_size)
    if header.data != data[: len(header.data)]:
        raise FormatError("the header contradicts the settings in it")
    return header


def make_record(header: Header, at: int, kind: Type, step: int, payload: bytes) -> bytes:
    """Return a record for byte `at` of the journal with this header."""
    head = _RECORD.pack(kind, step, len(payload))
    rest = payload + _zeros(len(head) + _CRC.size + len(payload), header.program_size)
    return head + _CRC.pack(_check(header, at, head, rest)) + rest


def _check(header, at, head, rest) -> int:
    # Seeded with the header and the place: a record of another journal, or one that moved, does not pass.
    return zlib.crc32(rest, zlib.crc32(_PLACE.pack(at) + head, header.crc))


def told_payload(code: int, text: str) -> bytes:
    """Return code and text, cut to what an EVENT or a SKIP may hold."""
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

    def told(self) -> tuple[int, str]:
        """Code and text of an EVENT or a SKIP."""
        code = _CRC.unpack(self.payload[: _CRC.size])[0]
        return code, bytes(self.payload[_CRC.size :]).decode(errors="replace")


def read_records(data: memoryview, header: Header) -> Iterator[Entry]:
    """Yield the records of a journal in order, up to its end or its torn tail.

    A bad record with no good one anywhere after it is the torn tail of a write
    that was cut off; it ends the journal. Raises FormatError at a bad record
    that good ones follow, and at one whose CRC is right but that contradicts
    the journal: a step out of order, numbers that are not finite, a seal that
    is not that of the bytes before it. All but the last are Damaged.
    """
    at, step, seen, hashed = len(header.data), header.first_step, hashlib.sha256(), 0
    while at < len(data):
        record = _read(data, header, at)
        if record is None:
            _refuse_damage(data, header, at)
            return
        try:
            step = follow(header, record.kind, record.step, record.payload, step)
        except FormatError as error:
            raise Damaged(f"byte {at}: {error}") from None
        if record.kind is Type.SEAL:
            seen.update(data[hashed:at])
            hashed = at
            if seen.digest() != record.payload:
                raise FormatError(f"byte {at}: the seal is not that of the bytes before it, which have changed since")
        yield record
        at = record.stop


def _read(data, header, at) -> Entry | None:
    """Return the good record at a byte, or None."""
    start = at + _RECORD.size + _CRC.size
    if start > len(data):
        return None
    kind, step, size = _RECORD.unpack(data[at : at + _RECORD.size])
    zeros = _zeros(_RECORD.size + _CRC.size + size, header.program_size)
    stop = start + size + len(zeros)
    if not _fits(header, kind, size) or stop > len(data) or data[start + size : stop] != zeros:
        return None
    crc = _CRC.unpack(data[start - _CRC.size : start])[0]
    if _check(header, at, data[at : at + _RECORD.size], data[start:stop]) != crc:
        return None
    return Entry(Type(kind), step, data[start : start + size], at, stop)


def _fits(header, kind, size) -> bool:
    if kind in (Type.EVENT, Type.SKIP):
        return _CRC.size <= size <= _CRC.size + MAX_TEXT
    if kind == Type.SEAL:
        return size == hashlib.sha256().digest_size
    if kind == Type.SCALARS:
        return header.kind == Type.SCALARS and size == 4 * header.n_record
    return kind == Type.SNAPSHOT and size == 4 * (header.n_theta + header.n_state)


def _refuse_damage(data, header, bad) -> None:
    """Raise when a good record follows the bad one, or when there are too many candidates to tell."""
    left = 4 * (len(data) - bad) + MAX_SETTINGS  # bytes to look at: bounds the time that a hostile file can take
    for candidate in re.finditer(rb"[\x01-\x05]\0\0\0", data[bad + 1 :]):
        at = bad + 1 + candidate.start()
        if at % header.program_size:
            continue
        head = data[at : at + _RECORD.size]
        if len(head) < _RECORD.size or not _fits(header, *_RECORD.unpack(head)[::2]):
            continue
        left -= _RECORD.unpack(head)[2]
        if left < 0 or _read(data, header, at):
            raise Damaged(f"byte {bad}: the record is damaged, and not the last one")


def follow(header: Header, kind: Type, step: int, payload, due: int) -> int:
    """Return the step that is due after this record, which must fit the one that was before. Raises FormatError."""
    if not _fits(header, kind, len(payload)):
        raise FormatError(f"{len(payload)} bytes are not those of {kind.name} in this journal")
    free = header.kind == Type.SNAPSHOT  # steps without a record lie between
    if not due <= step < 2**32 or (step > due and not free):
        raise FormatError(f"a record of step {step} where {due} is next")
    if kind == Type.SCALARS and not _finite(payload, header.n_record):
        raise FormatError(f"coefficients of step {step} are not finite")
    if kind == Type.SNAPSHOT and not _finite(payload, header.n_theta):
        raise FormatError(f"parameters at step {step} are not finite")
    return step + (kind in (Type.SCALARS, Type.SKIP))


def _finite(payload, count: int) -> bool:
    """Return whether the first `count` numbers of a payload are finite."""
    return bool(np.isfinite(np.frombuffer(payload, "<f4", count)).all())
