"""Models as files: what is saved is loaded to the bit, and anything else is refused in one way."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from helpers import assert_same_bits, floats

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.graph.layers import assemble, initial_parameters


def small_model():
    rows = [
        (
            "tt_linear",
            "t",
            ["input"],
            {"inputs": [2, 3], "outputs": [2, 2], "ranks": [1, 2, 1], "start": "right", "bias": True},
        ),
        ("tanh", "a", ["t"], {}),
        ("linear", "h", ["a"], {"outputs": 3, "bias": True}),
    ]
    graph = assemble([5], rows, frozen=["h.bias", "t.core0"])
    model = bf.Model(graph, *initial_parameters(graph, 1))
    model.frozen[-1] = -0.0
    model.theta[:2] = [np.nan, 1e-45]  # any bits
    return model


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.npz"
    small_model().save(path)
    return path


def fields(path):
    with np.load(path) as file:
        return dict(file)


def test_one_output_is_no_class():
    model, x = bf.Sequential(3, [bf.Linear(1)], seed=1), np.ones((4, 3))
    message = "model: expected two outputs or more, one a class, got one: give it an output a class, or train it with"
    for call in (
        lambda: model.accuracy(x, [0, 0, 1, 1]),
        lambda: bf.train(model, (x, [0, 0, 0, 0]), max_steps=1, batch_size=2),
        lambda: bf.train(model, (x, [0, 0, 1, 1]), max_steps=1, batch_size=2),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    bf.train(model, (x, [0.0, 0.0, 1.0, 1.0]), loss="mse", max_steps=1, batch_size=2)


def test_round_trip(saved):
    model, loaded = small_model(), bf.Model.load(saved)
    assert loaded.graph == model.graph and loaded.graph.hash() == model.graph.hash()
    assert_same_bits(loaded.theta, model.theta)
    assert_same_bits(loaded.frozen, model.frozen)
    assert loaded.hash == model.hash
    x = floats(0, 4, 5)
    loaded.theta[0] = model.theta[0] = 0.25
    assert_same_bits(loaded.predict(x, "compiled"), model.predict(x, "exact"))
    again = saved.with_name("again.npz")
    bf.Model.load(saved).save(again)
    assert {k: v.tobytes() for k, v in fields(again).items()} == {
        k: v.tobytes() for k, v in fields(saved).items()
    }


def test_a_planned_layer_round_trips(tmp_path):
    model = bf.Sequential((4, 3), [bf.TTLinear(20, rank=2), bf.ReLU(), bf.Linear(2)], seed=2)
    model.save(tmp_path / "m.npz")
    assert bf.Model.load(str(tmp_path / "m.npz")).graph == model.graph


def test_save_writes_where_it_is_told(tmp_path):
    small_model().save(tmp_path / "no-suffix")
    assert [p.name for p in tmp_path.iterdir()] == ["no-suffix"]


def test_files_hold_no_pickle(saved):
    with zipfile.ZipFile(saved) as archive:
        assert sorted(archive.namelist()) == ["frozen.npy", "graph.npy", "schema.npy", "theta.npy"]
    assert all(value.dtype != object for value in fields(saved).values())


def test_a_missing_file_is_not_a_format_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        bf.Model.load(tmp_path / "nothing.npz")


def refused(path, data):
    path.write_bytes(data)
    with pytest.raises(FormatError, match=str(path)):
        bf.Model.load(path)


def test_foreign_files(saved):
    array, packed = io.BytesIO(), io.BytesIO()
    np.save(array, np.zeros(3))
    np.savez(packed, other=np.zeros(3))
    text = b"not a model"
    for data in (
        b"",
        text,
        text * 1000,
        b"PK\x03\x04",
        array.getvalue(),
        packed.getvalue(),
        b"\x93NUMPY\x01\x00",
    ):
        refused(saved, data)


class Bomb:
    exploded = False

    def __reduce__(self):
        return (setattr, (Bomb, "exploded", True))


def test_pickles_are_refused_unread(saved):
    values = fields(saved)
    refused(saved, pickle.dumps(Bomb()))
    for name in values:
        packed = io.BytesIO()
        np.savez(packed, **{**values, name: np.array(Bomb(), object)}, allow_pickle=True)
        refused(saved, packed.getvalue())
    assert not Bomb.exploded


def test_truncated_files(saved):
    data = saved.read_bytes()
    for length in range(0, len(data), 11):
        refused(saved, data[:length])


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_load_unchanged_or_not_at_all(saved, compressed):
    """Bytes all over the file; some are not looked at (dates, permissions), but contents have a checksum."""
    if compressed:
        values = fields(saved)
        with open(saved, "wb") as file:
            np.savez_compressed(file, **values)
    data, original = saved.read_bytes(), small_model()
    outcomes = []
    for k, position in enumerate(range(0, len(data), 4)):
        damaged = bytearray(data)
        damaged[position] ^= (0xFF, 0x01, 0x80)[k % 3]
        saved.write_bytes(damaged)
        try:
            loaded = bf.Model.load(saved)
        except FormatError:
            outcomes.append(False)
        else:
            assert loaded.hash == original.hash and loaded.graph == original.graph
            assert_same_bits(loaded.frozen, original.frozen)
            outcomes.append(True)
    assert 0.5 < 1 - np.mean(outcomes)


@pytest.mark.parametrize("name", ["schema", "graph", "theta", "frozen"])
def test_missing_fields(saved, name):
    values = fields(saved)
    del values[name]
    with open(saved, "wb") as file:
        np.savez(file, **values)
    with pytest.raises(FormatError, match=name):
        bf.Model.load(saved)


def test_what_load_returns_stands_alone(saved):
    model = bf.Model.load(saved)
    assert model.theta.flags.c_contiguous and model.theta.flags.writeable and model.theta.dtype == np.float32
    copy = bf.Model(model.graph, model.theta, model.frozen)
    copy.theta[5] += 1
    copy.parameters()["h.weight"][:] = 9
    assert model.theta[5] != copy.theta[5] and not (copy.theta == 9).any()
    assert "2 -> a -> 1" not in repr(model) and "5 -> t -> a -> h -> 3" in repr(model)


def with_theta(saved, name, data, compression=zipfile.ZIP_STORED):
    path = saved.with_name(name)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w", compression) as target:
        for member in source.namelist():
            target.writestr(member, data if member == "theta.npy" else source.read(member))
    return path


def test_a_header_that_claims_terabytes_is_refused_before_anything_is_allocated(saved):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2**40,)})
    with pytest.raises(FormatError, match=r"64 bytes for shape \(1099511627776,\)"):
        bf.Model.load(with_theta(saved, "claim.npz", header.getvalue() + bytes(64)))


def test_a_compressed_member_is_refused_without_unpacking_it(saved):
    zeros = io.BytesIO()
    np.lib.format.write_array(zeros, np.zeros(10**6, np.float32))
    with pytest.raises(FormatError, match="compressed"):
        bf.Model.load(with_theta(saved, "bomb.npz", zeros.getvalue(), zipfile.ZIP_DEFLATED))
