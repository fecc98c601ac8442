"""Files that nobody meant: bytes, JSON and .npz archives with something changed, drawn from a generator."""

import io
import json
import warnings
import zipfile

import numpy as np

DEEP = "[" * 3000 + "]" * 3000
VALUES = [
    None,
    True,
    False,
    -1,
    0,
    1,
    2,
    3,
    0.5,
    -0.0,
    1e308,
    2**31 - 1,
    2**31,
    2**32,
    2**63,
    10**9,
    10**30,
    "",
    "x",
    "\ud800",
]
VALUES += [
    "é" * 3000,
    "0" * 40,
    "-1",
    "../../x",
    [],
    {},
    [None],
    [10**30, "x"],
    [10**9, "x"],
    [2**16] * 4,
    [[1]],
    {"name": None},
]
VALUES += [float("nan"), float("inf"), "\0", "a\nb", "linear", "relu", "rge", "sgd", [1, 1], ["input"]]
HEADERS = [
    "(" * 200,
    "[" * 4000,
    "{" * 90,
    "{'descr': '<f4', 'fortran_order': False, 'shape': (",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}",
    "{'descr': '<f4', 'fortran_order': True, 'shape': (0, 10**9)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1000000000000000000000000000000)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1)}",
    "{'descr': '<f4', 'fortran_order': 3, 'shape': 4}",
    "{'descr': ('<f4', (2, 1000000000)), 'fortran_order': False, 'shape': (0,)}",
    "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (1,)}",
    "{'descr': '|V0', 'fortran_order': False, 'shape': (9,)}",
    "{'descr': '<U0', 'fortran_order': False, 'shape': (9,)}",
    "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': ()}",
    "",
    "\0" * 20,
    "9" * 5000,
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1L,)}",
    "'" + "a" * 50,
    "{'descr': {'names': ['a'], 'formats': ['<f4']}, 'fortran_order': False, 'shape': ()}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': ()} # " + "x" * 9000,
    "-" * 3000 + "1",
    "{'descr': '>f4', 'fortran_order': False, 'shape': (3,)}",
]


def pick(r, items):
    """One of them."""
    return items[int(r.integers(len(items)))]


def changed_bytes(r, data: bytes) -> bytes:
    """A few bytes flipped, set, left out, put in, cut off or repeated."""
    data = bytearray(data)
    for _ in range(int(r.integers(1, 5))):
        at, n = int(r.integers(len(data) + 1)), int(r.integers(1, 20))
        kind = int(r.integers(6))
        if kind == 0 and at < len(data):
            data[at] ^= 1 << int(r.integers(8))
        elif kind == 1:
            word = pick(r, [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**30, 2**16]).to_bytes(
                4, pick(r, ["little", "big"])
            )
            data[at : at + 4] = word[: max(0, len(data) - at)]
        elif kind == 2:
            del data[at : at + n]
        elif kind == 3:
            data[at:at] = r.bytes(n)
        elif kind == 4:
            del data[at:]
        else:
            data[at:at] = data[max(0, at - n) : at]
    return bytes(data)


def changed_json(r, document) -> str:
    """The text of a JSON document with something else at one or two of its places."""
    document = json.loads(json.dumps(document))
    for _ in range(int(r.integers(1, 3))):
        document = _changed(r, document)
    text = json.dumps(document)
    if r.random() < 0.1:
        text = pick(
            r,
            [
                DEEP,
                text.replace(":", ":" + DEEP + ",", 1),
                text[: len(text) // 2],
                text + "x",
                "",
                '"x"',
                "3",
                "null",
                "{}",
                "[]",
            ],
        )
    return text


def _changed(r, value):
    if isinstance(value, dict) and value and r.random() < 0.85:
        key = pick(r, sorted(value))
        draw = r.random()
        if draw < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if draw < 0.2:
            return value | {pick(r, ["x", "", "\ud800", "name"]): pick(r, VALUES)}
        return value | {key: _changed(r, value[key])}
    if isinstance(value, list) and value and r.random() < 0.85:
        at, draw = int(r.integers(len(value))), r.random()
        if draw < 0.1:
            return value[:at] + value[at + 1 :]
        if draw < 0.2:
            return value[:at] + [value[at]] * int(r.integers(2, 4)) + value[at:]
        return value[:at] + [_changed(r, value[at])] + value[at + 1 :]
    if isinstance(value, int) and not isinstance(value, bool) and r.random() < 0.3:
        return value + int(r.integers(-2, 3))
    return pick(r, VALUES)


def members(data: bytes) -> dict[str, bytes]:
    """Name and bytes of each file of an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files, compression=zipfile.ZIP_STORED) -> bytes:
    """An archive of (name, bytes) pairs, as numpy.savez lays it out."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()


def npy(array) -> bytes:
    """An array's file."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def with_header(text: str, data: bytes = b"") -> bytes:
    """A file of an array whose header is this text."""
    raw = text.encode("latin1", "replace") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw + data


def _other_array(r, data: bytes) -> bytes:
    """A member that is not what it was: another header, shape, type, values, or damage."""
    draw = r.random()
    if draw < 0.4:
        return with_header(pick(r, HEADERS), r.bytes(int(r.integers(0, 40))))
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if draw < 0.55:
        return npy(
            array.astype(pick(r, ["f8", "i4", ">f4", "c8", "S3", "U2", "?", "f2", "u8"]), copy=False)
            if array.dtype.kind in "fiub"
            else array[None]
        )
    if draw < 0.7:
        return npy(
            pick(
                r,
                [
                    array[None],
                    array.ravel(),
                    array.ravel()[:1],
                    array.ravel()[:0],
                    np.repeat(array.ravel(), 2),
                    np.float32(3.0),
                ],
            )
        )
    if draw < 0.85 and array.dtype.kind == "f" and array.size:
        array = array.copy()
        array.ravel()[int(r.integers(array.size))] = pick(r, [np.nan, np.inf, -1.0, 1e38, 2.0**33, 0.5])
        return npy(array)
    return changed_bytes(r, data)


def changed_npz(r, data: bytes, documents=()) -> bytes:
    """An archive with something changed: in the JSON of one of these members, in an array, in the archive itself."""
    files = members(data)
    draw = r.random()
    if documents and draw < 0.55:
        name = f"{pick(r, documents)}.npy"
        document = json.loads(str(np.load(io.BytesIO(files[name]), allow_pickle=False)))
        files[name] = npy(np.array(changed_json(r, document)))
    elif draw < 0.8:
        name = pick(r, sorted(files))
        files[name] = _other_array(r, files[name])
    elif draw < 0.9:
        name = pick(r, sorted(files))
        pairs = [pair for pair in files.items() if pair[0] != name or r.random() < 0.5]
        pairs += (
            [(pick(r, [name, "x.npy", "../x.npy", "graph", "\u00e9.npy"]), files[name])] if r.random() < 0.7 else []
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that are there twice
            return packed(pairs, pick(r, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
    result = packed(files.items())
    return changed_bytes(r, result) if draw >= 0.9 else result
