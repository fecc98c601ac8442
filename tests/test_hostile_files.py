"""Files made to harm: each is refused in one line, soon, in the memory of the file; the fuzz tests look for more."""

import gzip
import io
import json
import zipfile

import numpy as np
import pytest
from fuzzing import little_memory
from mutations import DEEP, members, npy, packed, with_header

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.journal.format import make_header
from bpfree.npy import parse_npy

MODEL = bf.Sequential(4, [bf.Linear(3), bf.ReLU(), bf.Linear(2)], seed=0)


@pytest.fixture
def path(tmp_path):
    MODEL.save(tmp_path / "model.npz")
    return tmp_path / "model.npz"


def refused(load, *arguments):
    """The text of the FormatError, which is one line."""
    with little_memory(), pytest.raises(FormatError) as caught:
        load(*arguments)
    text = str(caught.value)
    assert len(text.splitlines()) == 1 and text.isprintable() and len(text) <= 1100
    return text


def with_member(path, name, data):
    path.write_bytes(packed((members(path.read_bytes()) | {name: data}).items()))
    return path


@pytest.mark.parametrize("header", [
    "(" * 200, "[" * 5000, "{" * 90, "'" * 3, "{'descr': (((", "-" * 3000 + "1", "", "{'descr': '<f4'}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1" * 40 + ",)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, " + "1" * 40 + ")}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1" * 9000,
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
    "{'descr': 'M8[ns]', 'fortran_order': False, 'shape': ()}",
    "{'descr': '<f3', 'fortran_order': False, 'shape': ()}", "{'descr': '<U0', 'fortran_order': False, 'shape': (3,)}",
    "{'descr': '<f4', 'fortran_order': None, 'shape': ()}", "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
], ids=lambda text: text[:30])  # fmt: skip
def test_headers_of_arrays(path, header):
    assert "theta.npy: " in refused(bf.Model.load, with_member(path, "theta.npy", with_header(header)))


def test_headers_are_read_as_numpy_reads_them():
    r = np.random.default_rng(0)
    for dtype in ("<f4", "<f8", ">f4", "<i8", "|u1", "|b1", "<U7", "|S3", "<f2"):
        for shape in ((), (0,), (5,), (2, 3), (2, 0, 3), (1, 2, 3, 4)):
            array = r.integers(0, 2, shape).astype(dtype)
            for one in (array, np.asfortranarray(array)):
                found = parse_npy("x", npy(one))
                assert found.dtype == one.dtype and found.shape == one.shape and found.tobytes() == one.tobytes()
                assert found.flags.f_contiguous == one.flags.f_contiguous and not found.flags.writeable
    assert parse_npy(
        "x", with_header("{'shape':(2L,),\"fortran_order\" : False , 'descr':'<i4'}", bytes(8))
    ).tolist() == [0, 0]


def test_a_text_of_no_characters(path):
    data = npy(np.array("xyz")).replace("z".encode("utf-32-le"), b"\0\0\x11\0")
    assert "no characters" in refused(bf.Model.load, with_member(path, "graph.npy", data))


@pytest.mark.parametrize("size", [10**9, 2**31 - 1, 2**32 - 2])
def test_an_archive_that_claims_gigabytes(path, size):
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 20 : at + 28] = size.to_bytes(4, "little") * 2
    path.write_bytes(data)
    assert f"{size:,} bytes in a file of {len(data):,}" in refused(bf.Model.load, path)


def test_an_archive_that_unpacks_to_gigabytes(path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members(path.read_bytes()).items():
            archive.writestr(name, data if name != "theta.npy" else bytes(300 * 2**20))
    path.write_bytes(stream.getvalue())
    assert "compressed" in refused(bf.Model.load, path)


NODES = [(key, value) for key in ("name", "op", "inputs") for value in (None, 3, [], "\ud800", "a\udfffb", {}, 10**30)]
NODES += [("attributes", value) for value in (None, 3, [], "\ud800", {"x": 1})]


@pytest.mark.parametrize(("key", "value"), NODES, ids=repr)
def test_nodes(path, key, value):
    document = json.loads(MODEL.graph.to_json())
    document["nodes"][1][key] = value
    assert str(path) in refused(bf.Model.load, with_member(path, "graph.npy", npy(np.array(json.dumps(document)))))


@pytest.mark.parametrize(
    "shape", [[10**30], [2**16] * 3, [2**32], [True], [None], "x", [1.5], [[4]], [-4], []], ids=repr
)
def test_shapes(path, shape):
    document = json.loads(MODEL.graph.to_json()) | {"input": shape}
    refused(bf.Model.load, with_member(path, "graph.npy", npy(np.array(json.dumps(document)))))


@pytest.mark.parametrize("text", [DEEP, '{"schema":' + DEEP + "}", '{"schema": "a\\nb\\ud800"}', "9" * 5000])
def test_graphs_that_are_no_graphs(path, text):
    refused(bf.Model.load, with_member(path, "graph.npy", npy(np.array(text))))


UNPRINTABLE = ("\ud800", "a\nb\x1b[31m", "a\u202eb")


@pytest.mark.parametrize("name", UNPRINTABLE, ids=ascii)
def test_a_name_that_no_screen_takes_is_refused_in_python_too(name):
    with pytest.raises(ValueError, match="node name: expected characters that can be printed, got '"):
        MODEL.replace("relu2", [("relu", name, ["linear1"], {})])


@pytest.mark.parametrize("key", ["name", "op"])
@pytest.mark.parametrize("name", UNPRINTABLE, ids=ascii)
def test_names_of_a_file_do_not_steer_the_terminal(path, key, name):
    """Whatever else fits: a node that is last is read by no other."""
    document = json.loads(MODEL.graph.to_json())
    document["nodes"][-1][key] = name
    document["frozen"] = []
    told = refused(bf.Model.load, with_member(path, "graph.npy", npy(np.array(json.dumps(document)))))
    assert told.isprintable() and ("can be printed" in told if key == "name" else "not given" in told)


@pytest.mark.parametrize("record", [
    [10**30, "x"], [10**9, "x"], ["x", 10**9], [10**9, [1]], [1.5, 2], [True, 2], [0, 2], [-1, -1], [1], "ab", None,
    {"a": 1, "b": 2},
], ids=repr)  # fmt: skip
@pytest.mark.parametrize("kind", ["SCALARS", "SNAPSHOT"])
def test_settings_of_a_journal(record, kind):
    run = bf.train(MODEL, (np.eye(4), np.arange(4) % 2), batch_size=2, max_steps=1, engine="reference")
    document = json.loads(run.trainer.settings()) | {"record": record, "journal": kind}
    refused(make_header, json.dumps(document), "0" * 16)


@pytest.mark.parametrize("name", ["n_theta", "n_state", "seed", "model", "journal"])
@pytest.mark.parametrize("value", [None, "x", 10**30, -1, 1.5, [], {}], ids=repr)
def test_other_settings_of_a_journal(name, value):
    run = bf.train(MODEL, (np.eye(4), np.arange(4) % 2), batch_size=2, max_steps=1, engine="reference")
    refused(make_header, json.dumps(json.loads(run.trainer.settings()) | {name: value}), "0" * 16)


@pytest.mark.parametrize("size", [*range(12), 30])
def test_a_cut_gzip_header(tmp_path, size):
    from bpfree.datasets.idx import parse_idx
    from bpfree.datasets.wav import pack_archive

    data = gzip.compress(bytes(5000))[:size]
    (tmp_path / "a.tar.gz").write_bytes(data)
    refused(pack_archive, tmp_path / "a.tar.gz")
    refused(parse_idx, "images", data, 3)


def test_an_archive_of_gigabytes_of_headers(tmp_path):
    from bpfree.datasets.wav import pack_archive

    head = bytearray(b"x".ljust(124, b"\0") + b"77777777777\0" + b"0" * 12 + b" " * 8 + b"x".ljust(356, b"\0"))
    head[148:156] = b"%06o\0 " % sum(head)
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        file.write(head)
        for _ in range(400):
            file.write(bytes(2**20))
    assert "expected at most 67,108,864 bytes" in refused(pack_archive, tmp_path / "a.tar.gz")


def test_messages_are_one_line_whatever_they_quote():
    text = str(FormatError("a\nb\t\ud800\x1b[31m é " + "x" * 5000 + " end"))
    assert text.startswith("a\\nb\\t\\ud800\\x1b[31m é xxx") and text.endswith("xxx end") and len(text) < 1100
