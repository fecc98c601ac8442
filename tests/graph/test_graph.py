"""Graphs: layout of the vectors, groups, canonical JSON, hashes, and slices that are not trained."""

import json

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, floats, make_engine
from reference_models import reference_runs

import bpfree as bf
from bpfree import native
from bpfree.estimators.rge import GROUPINGS
from bpfree.graph import fnv1a64, theta_hash
from bpfree.graph.c_tables import model_tables
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer

# Initial parameters of the reference runs, and their graphs: files and journals name models by these.
INITIAL_HASHES = {
    "mlp": ("8a476210dc84b5fe", "eed89c541008de8e"),
    "tt-mixed": ("6e0d7afbd1b12974", "b8fd8b7c37dea386"),
    "regression": ("e0b09bf50db95211", "17a0836728e69d31"),
}
ROWS = [
    ("linear", "a", ["input"], {"outputs": 8, "bias": True}),
    ("tanh", "b", ["a"], {}),
    ("linear", "c", ["b"], {"outputs": 70, "bias": True}),
    ("relu", "d", ["c"], {}),
    ("linear", "e", ["d"], {"outputs": 3, "bias": False}),
]
FROZEN_SETS = [
    ["a.weight"],
    ["a.bias", "c.weight"],
    ["a.weight", "a.bias"],
    ["c.bias", "e.weight"],
    ["a.bias"],
]


def test_layout_starts_each_trained_slice_on_a_fresh_block():
    graph = assemble([4], ROWS, frozen=["c.weight"])
    assert [(s.name, s.shape, s.offset, s.first_block, s.layer, s.frozen) for s in graph.slices] == [
        ("a.weight", (8, 4), 0, 0, 0, False),
        ("a.bias", (8,), 32, 1, 0, False),
        ("c.weight", (70, 8), 0, 0, 2, True),
        ("c.bias", (70,), 40, 2, 2, False),
        ("e.weight", (3, 70), 110, 4, 4, False),
    ]
    assert (graph.n_theta, graph.n_frozen) == (320, 560)


@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize("frozen", [[], *FROZEN_SETS], ids=str)
def test_groups_are_those_of_c(grouping, frozen):
    graph = assemble([4], ROWS, frozen=frozen)
    groups, (lib, ffi) = graph.groups(grouping), native_halves()
    trainer = bf.Trainer(graph, np.zeros(graph.n_frozen, "f4"), "mse", bf.RGE(grouping=grouping), bf.SGD(), 1)
    loop = NativeTrainer(NativeModel(model_tables(graph)), **trainer.native_settings())
    assert lib.bpfree_n_groups(loop.c) == len(groups)
    first, count = ffi.new("uint32_t *"), ffi.new("uint32_t *")
    for k, group in enumerate(groups):
        assert lib.bpfree_group(loop.c, k, first, count) == 0
        assert (first[0], count[0]) == (group.start, len(group))
    assert lib.bpfree_group(loop.c, len(groups), first, count) == lib.BPFREE_ERR_ARG
    assert [k for group in groups for k in group] == list(range(graph.n_theta))  # each element in one group
    sizes = {"joint": [graph.n_theta], "tensor": [part.size for part in graph.slices if not part.frozen]}
    sizes["layer"] = [sum(p.size for p in graph.slices if p.layer == k and not p.frozen) for k in range(5)]
    assert [len(group) for group in groups] == [size for size in sizes[grouping] if size]


def test_pieces_of_a_range_are_those_of_its_slices():
    """Element by element: the random block and place in it that the slice's own elements have."""
    graph = assemble([4], ROWS, frozen=["c.weight"])
    where = []
    for part in graph.slices:
        where += [] if part.frozen else [divmod(part.first_block * 64 + j, 64) for j in range(part.size)]
    assert len(where) == graph.n_theta == 320
    for first, count in [(0, 320), (0, 0), (5, 20), (31, 2), (40, 70), (41, 64), (103, 9), (113, 207), (319, 1)]:
        pieces, found = graph.pieces(first, count), []
        for piece in pieces:
            assert piece.size > 0 and piece.range.start == first + len(found)
            found += [divmod(64 * piece.block + piece.skip + j, 64) for j in range(piece.size)]
        assert found == where[first : first + count] and all(piece.skip < 64 for piece in pieces)


@pytest.mark.parametrize("frozen", [[], ["c.weight"], ["a.weight", "c.bias"]])
def test_every_element_of_theta_has_its_slice(frozen):
    graph = assemble([4], ROWS, frozen=frozen)
    where = []
    for number, part in enumerate(graph.slices):
        where += [] if part.frozen else [number] * part.size
    elements = np.arange(graph.n_theta + 2, dtype=np.uint32)
    assert graph.slice_numbers(elements).tolist() == [*where, -1, -1]
    assert graph.slice_numbers(elements[:0]).tolist() == []


def test_a_theta_without_elements_has_no_slices():
    assert assemble([4], [("relu", "a", ["input"], {})]).slice_numbers([0, 7]).tolist() == [-1, -1]


def native_halves():
    return native.core().lib, native.core().ffi


def test_json_is_canonical_and_complete():
    graph = assemble([4], ROWS, frozen=["c.bias", "a.weight"])
    text = graph.to_json()
    document = json.loads(text)
    assert text == json.dumps(document, sort_keys=True, separators=(",", ":"))
    rows = [(n["op"], n["name"], n["inputs"], n["attributes"]) for n in document["nodes"]]
    assert assemble(document["input"], rows, frozen=document["frozen"]) == graph
    assert graph.hash() == fnv1a64(text.encode())


def test_different_graphs_have_different_hashes():
    graphs = [
        assemble([4], ROWS),
        assemble([4], ROWS, frozen=["a.bias"]),
        assemble([5], ROWS),
        assemble([4], ROWS[:-1]),
    ]
    graphs.append(assemble([4], [("linear", "z", *ROWS[0][2:]), ("tanh", "b", ["z"], {}), *ROWS[2:]]))
    assert len({graph.hash() for graph in graphs}) == len(graphs)


# http://www.isthe.com/chongo/tech/comp/fnv: published FNV-1a-64 values.
@pytest.mark.parametrize(
    ("data", "value"),
    [(b"", 0xCBF29CE484222325), (b"a", 0xAF63DC4C8601EC8C), (b"foobar", 0x85944171F73967E8)],
)
def test_published_fnv_values(data, value):
    assert fnv1a64(data) == value


def test_theta_hash_is_that_of_c_and_sees_every_bit():
    theta = floats(0, 200)
    assert theta_hash(theta) == native.theta_hash(theta)
    for k in (0, 57, 199):
        other = theta.copy()
        other.view(np.uint32)[k] ^= 1
        assert theta_hash(other) != theta_hash(theta)
    assert theta_hash(np.float32([0.0])) != theta_hash(np.float32([-0.0]))
    assert theta_hash(np.float32([1.0])) == f"{fnv1a64(bytes([0, 0, 0x80, 0x3F])):016x}"  # little-endian


def test_hashes_of_the_initial_reference_models():
    runs = reference_runs()
    found = {name: (runs[name].model.hash, f"{runs[name].model.graph.hash():016x}") for name in INITIAL_HASHES}
    assert found == INITIAL_HASHES
    assert {run.model.hash for run in runs.values()} == {theta for theta, _ in found.values()}, "all are here"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("frozen", FROZEN_SETS, ids=str)
def test_frozen_slices_stay_and_the_rest_learns(engine, frozen):
    graph = assemble([4], ROWS, frozen=frozen)
    model = bf.Model(graph, *initial_parameters(graph, 0))
    x, y = floats(1, 30, 4), np.arange(30) % 3
    settings = {
        "estimator": bf.RGE(2, grouping="layer"),
        "update": bf.SGD(0.05),
        "max_steps": 10,
        "batch_size": 10,
    }
    run = bf.train(model, (x, y), engine=make_engine(engine), **settings)
    before, after = model.parameters(), run.model.parameters()
    for name in before:
        assert np.array_equal(before[name], after[name]) == (name in frozen), name
    exact = bf.train(model, (x, y), engine="exact", **settings)
    assert_same_bits(run.model.theta, exact.model.theta)
    assert_same_bits(run.model.predict(x, make_engine(engine)), exact.model.predict(x, "exact"))


def test_freezing_does_not_change_what_the_model_computes():
    x = floats(1, 30, 4)
    outputs = []
    for frozen in [[], *FROZEN_SETS]:
        graph = assemble([4], ROWS, frozen=frozen)
        model = bf.Model(graph, *initial_parameters(graph, 0))
        outputs += [model.predict(x, "exact"), model.predict(x, "compiled")]
    for y in outputs:
        assert_same_bits(y, outputs[0])
