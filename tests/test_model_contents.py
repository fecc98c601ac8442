"""Model files whose parts are sound but do not fit: each is refused, naming what is wrong."""

import json

import numpy as np
import pytest

import bpfree as bf
from bpfree.errors import FormatError


@pytest.fixture
def saved(tmp_path):
    return tmp_path / "model.npz"


def node(**changed):
    return {
        "op": "linear",
        "name": "a",
        "inputs": ["input"],
        "attributes": {"outputs": 1, "bias": False},
    } | changed


GRAPH = {"schema": 1, "input": [2], "nodes": [node()], "frozen": []}
WRONG = [
    ("schema", np.uint32(2), "expected schema 1, got 2: update bpfree"),
    ("schema", np.zeros(2), "not a bpfree model"),
    ("graph", "{", "not a bpfree model"),
    ("graph", "[]", "not a bpfree model"),
    ("graph", "[" * 100_000, "not a bpfree model"),
    ("graph", "7", "not a bpfree model"),
    ("graph", np.zeros(3), "not a bpfree model"),
    ("graph", GRAPH | {"nodes": []}, "at least one"),
    ("graph", GRAPH | {"nodes": 5}, "not a bpfree model"),
    ("graph", GRAPH | {"nodes": [{}]}, "not a bpfree model"),
    ("graph", GRAPH | {"nodes": [node() | {"guard": "a"}]}, "node: expected the keys op, .*, got .*guard"),
    ("graph", GRAPH | {"guards": []}, "graph: expected the keys schema, .*, got .*guards"),
    ("graph", GRAPH | {"input": [-1]}, "input shape: expected an integer >= 1, got -1"),
    ("graph", GRAPH | {"input": "x"}, "input shape"),
    ("graph", GRAPH | {"input": None}, "not a bpfree model"),
    ("graph", GRAPH | {"frozen": ["b"]}, "frozen: expected names of parameters"),
    ("graph", GRAPH | {"nodes": [node(op="exec")]}, "needs rows that are not given: exec: give them in rows="),
    ("graph", GRAPH | {"nodes": [node(op=[])]}, "ops: expected one of"),
    ("graph", GRAPH | {"nodes": [node(inputs=["b"])]}, "expected inputs among"),
    ("graph", GRAPH | {"nodes": [node(inputs=5)]}, "not a bpfree model"),
    ("graph", GRAPH | {"nodes": [node(inputs=["input", "input"])]}, "expects 1 input, got 2"),
    ("graph", GRAPH | {"nodes": [node(name=[])]}, "not a bpfree model"),
    ("graph", GRAPH | {"nodes": [node(), node()]}, "unique"),
    ("graph", GRAPH | {"nodes": [node(attributes={})]}, "expected attributes"),
    ("graph", GRAPH | {"schema": 7}, "expected graph schema 1, got 7"),
    ("graph", GRAPH | {"nodes": [node(attributes={"outputs": 1, "bias": False, "activation": 1})]}, "activation"),
    ("graph", GRAPH | {"nodes": [node(op="scale", attributes={"factor": 10**400, "offset": 0})]}, "factor"),
    ("graph", GRAPH | {"nodes": [node(op="scale", attributes={"factor": "2", "offset": 0})]}, "factor"),
    ("graph", GRAPH | {"nodes": [node(attributes=None)]}, "expected attributes"),
    (
        "graph",
        GRAPH | {"nodes": [node(attributes={"outputs": 0, "bias": False})]},
        "outputs: expected an integer",
    ),
    ("graph", GRAPH | {"nodes": [node(attributes={"outputs": 1.5, "bias": False})]}, "attributes do not fit"),
    (
        "graph",
        GRAPH | {"nodes": [node(attributes={"outputs": 2**24, "bias": False})]},
        "theta: expected 33554432 floats",
    ),
    ("theta", np.zeros(1, np.float32), "theta: expected 2 floats, got float32 of shape \\(1,\\)"),
    ("theta", np.zeros((2, 1), np.float32), "theta: expected 2 floats"),
    ("theta", np.zeros(2, np.int32), "theta: expected 2 floats, got int32"),
    ("theta", np.zeros(2, "S4"), "theta: expected 2 floats"),
    ("frozen", np.zeros(1, np.float32), "frozen: expected 0 floats"),
]


def write(path, **changed):
    """A model file of these fields; graphs may be given as documents."""
    values = {
        "schema": np.uint32(1),
        "graph": GRAPH,
        "theta": np.zeros(2, np.float32),
        "frozen": np.zeros(0, np.float32),
    }
    values |= changed
    if isinstance(values["graph"], dict):
        values["graph"] = json.dumps(values["graph"])
    with open(path, "wb") as file:
        np.savez(file, **values)


@pytest.mark.parametrize(("field", "value", "message"), WRONG, ids=range(len(WRONG)))
def test_wrong_contents(saved, field, value, message):
    write(saved, **{field: value})
    with pytest.raises(FormatError, match=message):
        bf.Model.load(saved)


@pytest.mark.parametrize("value", ["1", [1, 2.5], [True], [2.0], [[2]], [2**40, 2**40], 2], ids=str)
@pytest.mark.parametrize("key", ["inputs", "outputs", "ranks", "start", "bias"])
def test_wrong_tensor_train_attributes(saved, key, value):
    good = {"inputs": [2], "outputs": [1], "ranks": [1, 1], "start": "left", "bias": False}
    write(saved, graph=GRAPH | {"nodes": [node(op="tt_linear", attributes=good)]})
    assert bf.Model.load(saved).graph.n_theta == 2
    write(saved, graph=GRAPH | {"nodes": [node(op="tt_linear", attributes=good | {key: value})]})
    with pytest.raises(FormatError):
        bf.Model.load(saved)
