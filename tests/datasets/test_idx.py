"""idx files: values, and bad files that are refused before memory is allocated for them."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from fake_data import idx, packed

from bpfree.datasets.idx import parse_idx
from bpfree.errors import FormatError

ARRAY = np.arange(2 * 3 * 4).reshape(2, 3, 4)
GOOD = idx(ARRAY)


@pytest.mark.parametrize("pack", [idx, packed])
def test_values(pack):
    array = parse_idx("a", pack(ARRAY), 3)
    assert array.dtype == np.uint8 and np.array_equal(array, ARRAY)


def test_against_the_format_written_by_hand():
    data = bytes.fromhex("00 00 08 02 00 00 00 02 00 00 00 03 01 02 03 04 05 06")
    assert parse_idx("a", data, 2).tolist() == [[1, 2, 3], [4, 5, 6]]


BAD = {
    "empty": (b"", "got header b''"),
    "short header": (GOOD[:9], "expected an idx file"),
    "other magic": (b"\x01" + GOOD[1:], "expected an idx file"),
    "floats": (GOOD[:2] + b"\x0d" + GOOD[3:], "expected an idx file of bytes"),
    "two dimensions": (idx(ARRAY[0]), "in 3 dimensions"),
    "html": (b"<!DOCTYPE html><html>not found</html>", "expected an idx file"),
    "truncated": (GOOD[:-1], r"expected 24 bytes for shape \(2, 3, 4\), got 23"),
    "longer": (GOOD + b"x", "expected 24 bytes .* got more"),
    "no elements": (idx(ARRAY[:0]), r"expected 1 to .* got shape \(0, 3, 4\)"),
    "too large": (struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 2**31), "expected 1 to 1,073,741,824 elements"),
    "claims more than it has": (struct.pack(">4B3I", 0, 0, 8, 3, 1000, 1000, 1000), "got 0"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_refused(name, pack):
    data, message = BAD[name]
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=f"^digits: .*{message}"):
            parse_idx("digits", pack(data), 3)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


ZIPPED = gzip.compress(GOOD)


@pytest.mark.parametrize("cut", range(2, len(ZIPPED)))
def test_truncated_gzip(cut):
    with pytest.raises(FormatError, match="^a: "):
        parse_idx("a", ZIPPED[:cut], 3)


def test_damaged_gzip():
    """A changed byte is an error, except in the few header bytes without meaning, which leave the array as it is."""
    for place in range(len(ZIPPED)):
        data = bytearray(ZIPPED)
        data[place] ^= 0xFF
        try:
            assert np.array_equal(parse_idx("a", bytes(data), 3), ARRAY) and 4 <= place < 10
        except FormatError:
            pass


def test_bytes_after_the_gzip_data_are_refused():
    with pytest.raises(FormatError, match="^a: 3 bytes follow the gzip data"):
        parse_idx("a", ZIPPED + b"abc", 3)


def test_a_bomb_is_not_unpacked():
    """A header of 24 elements followed by 100 MB of zeros: unpacking stops at the 25th byte."""
    bomb = gzip.compress(GOOD + bytes(100_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="expected 24 bytes .* got more"):
            parse_idx("a", bomb, 3)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
