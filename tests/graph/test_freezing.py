"""Which parameters are trained: patterns, the split of theta and frozen, and that values are kept to the bit."""

import copy
import pickle

import numpy as np
import pytest
from helpers import assert_same_bits, floats
from random_graphs import random_graph

import bpfree as bf
from bpfree.graph import fnv1a64
from bpfree.graph.layers import assemble, initial_parameters

TT = {"inputs": [2, 3], "outputs": [2, 2], "ranks": [1, 2, 1], "start": "right", "bias": True}
ROWS = [
    ("tt_linear", "enc.0", ["input"], TT),
    ("tanh", "a[0]", ["enc.0"], {}),
    ("linear", "w[0]", ["a[0]"], {"outputs": 3, "bias": True}),
    ("linear", "w0", ["w[0]"], {"outputs": 2, "bias": True}),
]
NAMES = [
    "enc.0.core0", "enc.0.core1", "enc.0.bias", "w[0].weight", "w[0].bias", "w0.weight", "w0.bias",
]  # fmt: skip


def strange():
    """A model whose names have dots and brackets, with bits that only copying keeps."""
    model = bf.Model(graph := assemble([6], ROWS), *initial_parameters(graph, 1))
    model.theta[:3] = [np.nan, -0.0, 1e-45]
    return model


def frozen_of(model):
    return [part.name for part in model.graph.slices if part.frozen]


def assert_same_values(one, other):
    """Every named tensor has the same bits, wherever it lies."""
    a, b = one.parameters(), other.parameters()
    assert list(a) == list(b)
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


# What a pattern means, by hand: exact names first, then fnmatch with case, dots like any other character.
PATTERNS = [
    ("enc.0.core0", NAMES[:1]),
    ("enc.0.core?", NAMES[:2]),
    ("enc.*", NAMES[:3]),
    ("*.bias", ["enc.0.bias", "w[0].bias", "w0.bias"]),
    ("*bias*", ["enc.0.bias", "w[0].bias", "w0.bias"]),
    ("*", NAMES),
    ("w[0].weight", ["w[0].weight"]),
    ("w[0].*", ["w0.weight", "w0.bias"]),
    ("w[[]0].*", ["w[0].weight", "w[0].bias"]),
    ("w[!1].*", ["w0.weight", "w0.bias"]),
    ("*.core[01]", NAMES[:2]),
]


@pytest.mark.parametrize(("pattern", "names"), PATTERNS, ids=[row[0] for row in PATTERNS])
def test_patterns(pattern, names):
    model = strange()
    frozen = model.freeze(pattern)
    assert frozen_of(frozen) == names and frozen_of(model) == []
    assert frozen_of(model.train_only(pattern)) == [name for name in NAMES if name not in names]
    assert frozen_of(model.freeze("*").unfreeze(pattern)) == [name for name in NAMES if name not in names]
    for one in (frozen, frozen.unfreeze(pattern), model.train_only(pattern)):
        assert_same_values(one, model)


def test_several_patterns_and_what_was_frozen_before():
    model = strange().freeze("*.core0")
    assert frozen_of(model.freeze("*.core0", "w0.*")) == ["enc.0.core0", "w0.weight", "w0.bias"]
    assert frozen_of(model.freeze(["*.core1", "w0.bias"])) == ["enc.0.core0", "enc.0.core1", "w0.bias"]
    assert frozen_of(model.unfreeze("*.bias")) == ["enc.0.core0"], "it is no error that nothing of it was frozen"
    assert frozen_of(model.train_only("*.core0")) == NAMES[1:], "what was frozen before does not count"


WRONG = [
    ((), r"patterns: expected a pattern such as 'linear1.\*', or several, got none"),
    (([],), r"patterns: expected a pattern such as .*, got none"),
    (("",), r"patterns: expected a pattern that matches one of enc.0.core0, .*, w0.bias, got ''"),
    (("w0",), r"patterns: .*, got 'w0'"),
    (("W0.*",), r"patterns: .*, got 'W0.\*'"),
    (("*", "nothing"), r"patterns: .*, got 'nothing'"),
    ((3,), r"patterns: expected patterns such as 'linear1.\*', got 3"),
    (("*", ["*"]), r"patterns: expected patterns such as .*, got \['\*'\]"),
]


@pytest.mark.parametrize(("patterns", "message"), WRONG, ids=[repr(row[0]) for row in WRONG])
def test_what_matches_nothing(patterns, message):
    for call in (strange().freeze, strange().unfreeze):
        with pytest.raises((TypeError, ValueError), match=message):
            call(*patterns)
    with pytest.raises((TypeError, ValueError), match=message.replace("patterns", "trainable", 1)):
        strange().train_only(*patterns)


def test_of_many_names_the_nearest_are_named():
    model = bf.Sequential(2, [bf.Linear(2) for _ in range(20)])
    with pytest.raises(ValueError, match=r"one of 40 names, such as .*linear17.weight.*, got 'linear17.wieght'"):
        model.freeze("linear17.wieght")
    with pytest.raises(ValueError, match="one of parameters, of which there are none, got"):
        bf.Sequential(2, [bf.ReLU()]).freeze("*")


def test_the_split_is_that_of_a_graph_made_so():
    """Slices, offsets and random blocks, JSON and hash: those of `assemble` with the same names frozen."""
    model, names = strange(), ["enc.0.core1", "w[0].bias"]
    frozen, made = model.freeze(*names), assemble([6], ROWS, frozen=names)
    assert frozen.graph == made and frozen.graph.hash() == made.hash() and frozen.graph.to_json() == made.to_json()
    own = model.parameters()
    theta = b"".join(own[name].tobytes() for name in NAMES if name not in names)
    constants = b"".join(own[name].tobytes() for name in names)
    assert frozen.theta.tobytes() == theta and frozen.frozen.tobytes() == constants
    assert frozen.hash == f"{fnv1a64(theta):016x}" and frozen.frozen_hash == f"{fnv1a64(constants):016x}"
    again = frozen.unfreeze("*")
    assert again.graph == model.graph and again.hash == model.hash and again.frozen.size == 0
    assert frozen.freeze(*reversed(names)).graph.hash() == made.hash(), "the order of patterns means nothing"


@pytest.mark.parametrize("seed", [seed for seed in range(12) if random_graph(seed).slices])
def test_random_graphs_compute_the_same_however_they_are_split(seed):
    graph = random_graph(seed)
    model = bf.Model(graph, *initial_parameters(graph, seed))
    x = floats(seed, 5, *graph.input.shape)
    some = [part.name for part in graph.slices][::2]
    for other in (model.unfreeze("*"), model.freeze("*"), model.freeze("*").unfreeze(*some)):
        assert_same_values(other, model)
        assert_same_bits(other.predict(x, "exact"), model.predict(x, "exact"))
        assert_same_bits(other.predict(x, "compiled"), model.predict(x, "exact"))


def test_models_stand_alone():
    model = strange()
    frozen = model.freeze("w0.*")
    frozen.theta[4], frozen.frozen[0] = 7.0, 8.0
    assert not (model.theta == 7).any() and not (model.theta == 8).any()


@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"])
def test_copies_and_files_keep_the_split(way, tmp_path):
    model = strange().freeze("*.core0", "w[0].weight")
    model.save(tmp_path / "m.npz")
    for other in (way(model), bf.Model.load(tmp_path / "m.npz")):
        assert_same_values(other, model)
        assert frozen_of(other) == frozen_of(model) and other.graph.hash() == model.graph.hash()
        assert (other.hash, other.frozen_hash) == (model.hash, model.frozen_hash)
        assert_same_values(other.unfreeze("*"), model)


def test_rows_and_repr_show_what_is_frozen():
    model = strange().freeze("enc.0.core*", "w0.bias")
    assert [(row.name, row.frozen) for row in model.rows()] == [
        ("enc.0", ("core0", "core1")), ("a[0]", ()), ("w[0]", ()), ("w0", ("bias",)),
    ]  # fmt: skip
    assert assemble([6], model.rows()) == model.graph
    assert "25 trainable, 22 frozen" in repr(model) and "frozen" not in repr(strange())
