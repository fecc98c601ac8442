"""Journals with something changed, their checksums made right again: Python and C read the same, or both refuse."""

import json
import zlib

import native_journal
import numpy as np
import pytest
from fuzzing import fuzz
from mutations import changed_bytes, changed_json, pick

import bpfree as bf
from bpfree.errors import FormatError, NumericError
from bpfree.journal import Journal, replay
from bpfree.journal.format import _CRC, _HEAD, _RECORD, _check, read_header, read_records

X, Y = np.random.default_rng(0).standard_normal((12, 8)).astype(np.float32), np.arange(12) % 3
MODEL = bf.Sequential(8, [bf.Linear(3)], seed=1)


@pytest.fixture
def journals(tmp_path):
    """Bytes of a journal of scalars, with a seal, and of one of snapshots."""
    given = {"batch_size": 4, "max_steps": 6, "engine": "exact", "validation": 0.25, "validate_every": 2}
    bf.train(MODEL, (X, Y), estimator=bf.RGE(2), journal=tmp_path / "a", journal_every=3, **given)
    bf.train(MODEL, (X, Y), estimator=bf.CGE(), update=bf.Adam(0.1), journal=tmp_path / "b", journal_every=2, **given)
    return [(tmp_path / name).read_bytes() for name in "ab"]


def other_header(r, data):
    """Other settings or numbers in the header; the records behind it as they are."""
    header, numbers = read_header(data), list(_HEAD.unpack(data[: _HEAD.size]))
    raw = header.settings.encode()
    if r.random() < 0.7:
        raw = changed_json(r, json.loads(header.settings)).encode("utf-8", "replace")
    if r.random() < 0.4:
        numbers[int(r.integers(1, len(numbers)))] = int(pick(r, [0, 1, 2, 8, 2**31, 2**32 - 1]))
    numbers[-1] = len(raw)
    head = _HEAD.pack(*numbers) + raw
    return head + _CRC.pack(zlib.crc32(head)) + data[len(header.data) :]


def other_records(r, data):
    """Records with other kinds, steps and payloads, left out or there twice, each good by its checksum."""
    header = read_header(data)
    records = [[int(one.kind), one.step, bytes(one.payload)] for one in read_records(memoryview(data), header)]
    for _ in range(int(r.integers(1, 3))):
        at = int(r.integers(len(records)))
        kind, step, payload = records[at]
        records[at : at + 1] = pick(r, [
            [[int(r.integers(0, 7)), step, payload]],
            [[kind, int(pick(r, [0, 1, 2**32 - 1, min(step + 1, 2**32 - 1), max(0, step - 1)])), payload]],
            [[kind, step, changed_bytes(r, payload)]],
            [[kind, step, pick(r, [b"", bytes(4), b"\xff" * len(payload), payload + payload])]],
            [records[at], records[at]], [],
        ])  # fmt: skip
        if not records:
            break
    made = header.data
    for kind, step, payload in records:
        head = _RECORD.pack(kind, step, len(payload))
        made += head + _CRC.pack(_check(header, len(made), head, payload)) + payload
    return made


def changed(journals):
    def make(r):
        data = pick(r, journals)
        return pick(r, [other_header, other_records, other_records, changed_bytes])(r, data)

    return make


def test_python(journals, tmp_path):
    def read(data):
        (tmp_path / "case").write_bytes(data)
        try:
            replay(Journal.read(tmp_path / "case"), MODEL, engine="exact")
        except ValueError as error:  # a good journal of another run
            if isinstance(error, FormatError):
                raise

    fuzz(changed(journals), read, FormatError)


def test_c(journals):
    fuzz(changed(journals), native_journal.read, (ValueError, NumericError), cases=2000)


def test_both_agree_on_the_records(journals):
    def verdict(read, *arguments):
        try:
            return read(*arguments)
        except (ValueError, NumericError):
            return None

    def in_python(data, header):
        records = list(read_records(memoryview(data), header))
        end = records[-1].stop if records else len(header.data)
        return [(int(one.kind), one.step, bytes(one.payload)) for one in records], end

    def read(data):
        header = read_header(data)  # which holds settings, and C does not read those
        mine, theirs = verdict(in_python, data, header), verdict(native_journal.read, data)
        assert (mine is None) == (theirs is None) and (mine is None or mine == theirs)
        if mine is None:
            raise FormatError("refused by both")

    fuzz(changed(journals), read, FormatError, cases=1000)
