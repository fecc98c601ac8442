"""Bad calls of every public constructor and of train(): the message names argument, expected and given."""

import pickle
import sys

import numpy as np
import pytest

import bpfree as bf
from bpfree.errors import check_choice, check_count, check_normal, check_positive
from bpfree.graph.layers import assemble

X, Y = np.zeros((20, 4), np.float32), np.arange(20) % 2
MODEL = bf.Sequential(4, [bf.Linear(2)])
GRAPH = MODEL.graph


def train(model=MODEL, data=(X, Y), **changed):
    return bf.train(model, data, **{"max_steps": 1, "batch_size": 4, "engine": "exact", **changed})


def network(*layers, features=4, **settings):
    return bf.Sequential(features, list(layers), **settings)


def tt(*sizes, **settings):
    return network(bf.TTLinear(*sizes, **settings))


def node(op="relu", name="a", inputs=("input",), attributes=None):
    return (op, name, list(inputs), attributes or {})


CONSTRUCTORS = [
    (lambda: network(bf.Linear(0)), r"outputs: expected an integer >= 1, got 0"),
    (lambda: network(bf.Linear(2.5)), r"outputs: expected an integer >= 1, got 2\.5"),
    (lambda: network(bf.Linear(True)), r"outputs: expected an integer >= 1, got True"),
    (lambda: network(bf.Linear(2**24 + 1)), r"outputs: expected an integer in \[1, 16777216\], got 16777217"),
    (lambda: network(bf.Linear(2, gain=-1)), r"gain: expected a finite number > 0, got -1"),
    (lambda: network(bf.Linear(2, gain=np.nan)), r"gain: expected a finite number > 0, got nan"),
    (lambda: tt(4, rank=2, gain="x"), r"gain: expected a number > 0, got 'x'"),
    (lambda: bf.TTLinear(rank=2), r"TTLinear: expected TTLinear\(outputs, rank=r\) or .*got \(\)"),
    (lambda: bf.TTLinear((2, 2), rank=2), r"TTLinear: expected .*got \(\(2, 2\),\)"),
    (lambda: bf.TTLinear((2, 2), 4, rank=2), r"TTLinear: expected .*got \(\(2, 2\), 4\)"),
    (lambda: bf.TTLinear(4, (2, 2), rank=2), r"TTLinear: expected .*got \(4, \(2, 2\)\)"),
    (
        lambda: bf.TTLinear((2, 2), (2, 2), rank=2, max_parameters=9),
        r"max_parameters: only for planned shapes",
    ),
    (
        lambda: bf.TTLinear(4, rank=2, max_parameters="a"),
        r"max_parameters: expected an integer >= 1, got 'a'",
    ),
    (lambda: tt(64, rank=2, max_parameters=3), r"max_parameters: expected at least \d+ for 4 x 64 at rank 2, got 3"),
    (lambda: tt(4, rank=0), r"rank: expected an integer >= 1, got 0"),
    (lambda: tt(4, rank=None), r"rank: expected an integer >= 1, got None"),
    (lambda: tt((2, 2), (2, 2), rank=(2, 2)), r"TT shape: expected .*one rank more.*ranks=\(1, 2, 2, 1\)"),
    (lambda: tt((2, 2), (2, 2, 2), rank=2), r"factors: expected as many outputs as inputs, got \(2, 2\) and"),
    (lambda: tt((2, 0), (2, 2), rank=2), r"factors: expected an integer >= 1, got 0"),
    (lambda: tt((1, 3), (2, 2), rank=2), r"inputs: expected a product >= 4 features, got \(1, 3\)"),
    (lambda: tt((1,) * 9, (1,) * 9, rank=1), r"TT shape: expected 1 to 8 cores"),
    (lambda: network(), r"layers: expected at least one, got none"),
    (lambda: network(3), r"layers: expected layers such as Linear\(10\), got 3"),
    (lambda: network(bf.ReLU), r"layers: expected layers such as Linear\(10\), got <class .*ReLU"),
    (lambda: bf.Sequential(4, bf.ReLU()), r"layers: expected a list of layers, got ReLU\(\)"),
    (lambda: network(bf.Linear(2), features=0), r"input shape: expected an integer >= 1, got 0"),
    (lambda: network(bf.Linear(2), features="a"), r"input shape: expected an integer >= 1, got 'a'"),
    (lambda: network(bf.Linear(2), seed=-1), r"seed: expected an integer in \[0, 4294967295\], got -1"),
    (lambda: network(bf.Linear(2), seed=2**32), r"seed: expected .*got 4294967296"),
    (lambda: network(bf.Linear(2), seed=None), r"seed: expected .*got None"),
    (lambda: bf.RGE(0), r"n_queries: expected an integer in \[1, 4096\], got 0"),
    (lambda: bf.RGE(4097), r"n_queries: expected an integer in \[1, 4096\], got 4097"),
    (lambda: bf.RGE(mu=0), r"mu: expected a finite number > 0, got 0"),
    (lambda: bf.RGE(mu=None), r"mu: expected a number > 0, got None"),
    (lambda: bf.RGE(mu=1e-40), r"mu: expected a normal float32 number, got 1e-40"),
    (lambda: bf.RGE(mu=1e39), r"mu: expected a normal float32 number, got 1e\+39"),
    (lambda: bf.RGE(two_sided="yes"), r"two_sided: expected one of True, False, got 'yes'"),
    (lambda: bf.RGE(grouping="all"), r"grouping: expected one of 'joint', 'layer', 'tensor', got 'all'"),
    (lambda: bf.SGD(0), r"lr: expected a finite number > 0, got 0"),
    (lambda: bf.SGD(np.inf), r"lr: expected a finite number > 0, got inf"),
    (lambda: bf.SGD(1e39), r"lr: expected a normal float32 number, got 1e\+39"),
    (lambda: bf.SGD(1e-60), r"lr: expected a normal float32 number, got 1e-60"),
    (lambda: bf.SGD("a"), r"lr: expected a number > 0, got 'a'"),
    (
        lambda: bf.ReferenceEngine(dtype=np.int32),
        r"dtype: expected float32, or float64 when not exact, got int32",
    ),
    (lambda: bf.ReferenceEngine(exact=True, dtype="f8"), r"dtype: expected float32.*got float64"),
    (lambda: bf.CompiledEngine("mmx"), r"isa: expected one of 'scalar', 'baseline'.*got 'mmx'"),
    (lambda: bf.Model(GRAPH, np.zeros(3)), r"theta: expected 10 floats, got float64 of shape \(3,\)"),
    (lambda: bf.Model(GRAPH, np.zeros(10, int)), r"theta: expected 10 floats, got int64"),
    (
        lambda: bf.Model(GRAPH, MODEL.theta, np.zeros(1)),
        r"frozen: expected 0 floats, got float64 of shape \(1,\)",
    ),
    (lambda: assemble([4], []), r"layers: expected at least one, got none"),
    (lambda: assemble([4], [node(), node()]), r"node name: expected names to be unique, got 'a' twice"),
    (
        lambda: assemble([4], [node(inputs=["b"])]),
        r"node 'a': expected inputs among \['input'\], got \['b'\]",
    ),
    (lambda: assemble([4], [node(inputs=[])]), r"node 'a': relu expects 1 input, got 0"),
    (lambda: assemble([4], [("parameter", "a", ["input"], {"shape": [4]})]), "parameter expects no inputs, got 1"),
    (lambda: assemble([4], [("parameter", "a", [], {"shape": 4})]), r"node 'a' \(parameter\): attributes do not fit"),
    (lambda: assemble([4], [("parameter", "a", [], {"shape": [0]})]), r"shape: expected an integer in \[1, "),
    (lambda: assemble([4], [("relu", 5, ["input"], {})]), "node name: expected a text, got 5"),
    (lambda: assemble([4], [node(inputs=["input"] * 3)]), r"node 'a': relu expects 1 input, got 3"),
    (lambda: assemble([4], [node(op="foo")]), r"ops: expected one of linear, .*got 'foo'"),
    (lambda: assemble([4], [node(op="linear")]), r"node 'a' \(linear\): expected attributes \['bias', 'outputs'\]"),
    (lambda: assemble([4], [node()], frozen=["b"]), r"frozen: expected names of parameters, got \['b'\]"),
    (lambda: MODEL.predict(X[:, :2], "exact"), r"x: expected shape \(n, 4\) with n >= 1, got \(20, 2\)"),
    (lambda: MODEL.accuracy(X, Y[:3], "exact"), r"labels: expected shape \(20,\), got \(3,\)"),
]

TRAINING = [
    ({"model": 3}, r"model: expected a Model, got 3"),
    ({"data": X}, r"data: expected a pair \(x, y\), or \(x, y, w\), got ndarray"),
    ({"data": (X,)}, r"data: expected a pair \(x, y\), or \(x, y, w\), got tuple"),
    ({"data": None}, r"data: expected a pair \(x, y\), or \(x, y, w\), or batches= in its place, got neither"),
    ({"data": (X, None)}, r"y: expected one row a sample \(20\), got shape \(\)"),
    ({"data": (X, Y[:3])}, r"y: expected one row a sample \(20\), got shape \(3,\)"),
    (
        {"data": (X, Y * 1.0)},
        r"y: expected integer labels \(n,\) for loss cross_entropy, got float64 \(20,\): give loss=.mse. for targets",
    ),
    ({"data": (X, Y + 1)}, r"y: expected labels in \[0, 1\], got 1 to 2"),
    ({"data": (X, Y - 1)}, r"y: expected labels in \[0, 1\], got -1 to 0"),
    ({"data": (X[:, :3], Y)}, r"x: expected shape \(n, 4\) with n >= 1, got \(20, 3\)"),
    ({"data": (X[:, 0], Y)}, r"x: expected shape \(n, 4\) with n >= 1, got \(20,\)"),
    ({"data": (X[:0], Y[:0])}, r"x: expected shape \(n, 4\) with n >= 1, got \(0, 4\)"),
    ({"data": (X * 1j, Y)}, r"x: expected real numbers, got dtype complex64"),
    ({"data": (X.astype(str), Y)}, r"x: expected real numbers, got dtype <U"),
    ({"loss": "hinge"}, r"^loss: expected one of cross_entropy, softmax_cross_entropy, mse, a function .*got 'hinge'"),
    ({"loss": None}, r"loss: expected one of .*, a function .*, or a bpfree.Loss, got None"),
    ({"loss": "mse"}, r"y: expected real numbers of shape \(n, 2\) for loss mse, got int64 \(20,\)"),
    ({"loss": "mse", "data": (X, X[:, :2] * 1j)}, r"y: expected real numbers .*got complex64"),
    ({"estimator": "rge"}, r"estimators: expected one of RGE\(\.\.\.\).*got 'rge'"),
    ({"estimator": bf.RGE}, r"estimators: expected an object of .*the class RGE: call it, RGE\("),
    ({"update": "sgd"}, r"updates: expected one of SGD\(\.\.\.\).*got 'sgd'"),
    ({"batch_size": 0}, r"batch_size: expected an integer in \[1, 16777216\], got 0"),
    ({"batch_size": 21}, r"batch_size: expected at most the number of samples 20, got 21"),
    ({"batch_size": "a"}, r"batch_size: expected an integer in \[1, 16777216\], got 'a'"),
    ({"max_steps": 0}, r"steps: expected an integer >= 1, got 0"),
    ({"max_steps": 2.0}, r"steps: expected an integer >= 1, got 2\.0"),
    ({"max_steps": None}, r"epochs, max_steps, max_forwards, max_evaluations: expected at least one of them, got none"),
    ({"max_forwards": 0}, r"max_forwards: expected a finite number > 0, got 0"),
    ({"max_evaluations": float("inf")}, r"max_evaluations: expected a finite number > 0, got inf"),
    ({"max_evaluations": "many"}, r"max_evaluations: expected a number > 0, got 'many'"),
    ({"max_steps": None, "epochs": 0}, r"epochs: expected an integer >= 1, got 0"),
    ({"engine": "gpu"}, r"engine: expected one of 'reference', 'exact', 'compiled', got 'gpu'"),
    ({"engine": 5}, r"engine: expected one of .* or an engine, got 5"),
    ({"seed": -1}, r"seed: expected an integer in \[0, 4294967295\], got -1"),
    ({"callbacks": 5}, r"callbacks: expected a function of \(step, run\) or a sequence of them, got 5"),
    ({"callbacks": [print, 5]}, r"callbacks: expected a function of \(step, run\) or a sequence of them, got \["),
    ({"validation": X}, r"validation: expected a pair \(x, y\), or \(x, y, w\), or a share in \(0, 1\), got ndarray"),
    ({"validation": 1}, r"validation: expected a pair \(x, y\), or \(x, y, w\), or a share in \(0, 1\), got int"),
    ({"validation": 1.0}, r"validation: expected a share in \(0, 1\), got 1\.0"),
    ({"validation": 0.99}, r"validation: expected a share that leaves samples to train on, got 0\.99 of 20"),
    ({"validation": 0.85}, r"batch_size: expected at most the number of samples left to train on 3, got 4"),
    ({"patience": 3}, r"patience: expected validation=\(x, y\) or a share as well"),
    ({"patience": 0, "validation": 0.2}, r"patience: expected an integer >= 1, got 0"),
    ({"checkpoint": 3}, r"checkpoint: expected a path, got 3"),
    ({"journal": 3}, r"journal: expected a path, got 3"),
    ({"checkpoint": "a", "journal": "./a"}, r"journal: expected another path than the checkpoint's, got \./a"),
    ({"checkpoint_every": 0}, r"checkpoint_every: expected an integer >= 1, got 0"),
    ({"resume": True}, r"resume: expected checkpoint=path as well"),
    ({"journal_every": 5}, r"journal_every: expected journal=path as well"),
    ({"journal_every": 0, "journal": "a"}, r"journal_every: expected an integer >= 1, got 0"),
    ({"validation": (X[:, :2], Y)}, r"x: expected shape \(n, 4\)"),
    ({"validation": (X, Y[:3])}, r"y: expected one row a sample \(20\), got shape \(3,\)"),
    ({"validate_every": 0}, r"validate_every: expected an integer >= 1, got 0"),
]


@pytest.mark.parametrize(("call", "message"), CONSTRUCTORS, ids=range(len(CONSTRUCTORS)))
def test_constructors(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


@pytest.mark.parametrize(("changed", "message"), TRAINING, ids=range(len(TRAINING)))
def test_training(changed, message):
    with pytest.raises((ValueError, TypeError), match=message):
        train(**changed)


def test_the_good_call_is_good():
    assert train().outcome == "done"


@pytest.mark.parametrize("attribute", ["nothing", "__wrapped__"])
def test_unknown_names_of_the_package(attribute):
    with pytest.raises(AttributeError, match=f"module 'bpfree' has no attribute '{attribute}'"):
        getattr(bf, attribute)


def test_checks_return_what_they_checked():
    assert check_count("n", np.int64(3)) == 3 and type(check_count("n", np.int64(3))) is int
    assert check_positive("x", np.float64(0.5)) == 0.5 and check_normal("x", 2.0**-126) == 2.0**-126
    assert check_choice("c", "a", ("a", "b")) == "a"


NO_NUMBERS = [
    (lambda: bf.SGD(lr="0.1"), TypeError, "lr: expected a number > 0, got '0.1'"),
    (lambda: bf.Adam(lr=True), TypeError, "lr: expected a number > 0, got True"),
    (lambda: bf.RGE(mu="0.1"), TypeError, "mu: expected a number > 0, got '0.1'"),
    (lambda: bf.CGE(fraction=True), TypeError, "fraction: expected a number, got True"),
    (lambda: bf.RGE(two_sided=np.array([1, 2])), ValueError, "two_sided: expected one of True, False, got array"),
    (lambda: bf.cosine_decay(0.1, 9, end=np.ones(2)), TypeError, "end: expected a number, got array"),
    (lambda: bf.cosine_decay(0.1, 9, end=False), TypeError, "end: expected a number, got False"),
    (lambda: train(max_forwards="1000"), TypeError, "max_forwards: expected a number > 0, got '1000'"),
    (lambda: train(max_evaluations=True), TypeError, "max_evaluations: expected a number > 0, got True"),
    (lambda: train(resume="yes"), TypeError, "resume: expected True or False, got 'yes'"),
    (lambda: bf.RGE().start([[1.0], [1.0, 2.0]]), TypeError, "theta0: expected float.*, got rows of different lengths"),
    (lambda: bf.minimize(lambda theta: [[1.0], [1.0, 2.0]], [0.0], max_steps=1), TypeError, "loss_fn: expected a real"),
]


@pytest.mark.parametrize(("call", "error", "message"), NO_NUMBERS, ids=range(len(NO_NUMBERS)))
def test_texts_truth_values_and_arrays_are_no_numbers(call, error, message):
    with pytest.raises(error, match=message):
        call()


NO_PATHS = {
    "save": lambda path: MODEL.save(path),
    "load": lambda path: bf.Model.load(path),
    "journal": lambda path: bf.Journal.read(path),
    "ask": lambda path: bf.RGE().start(np.zeros(2)).save(path),
    "restore": lambda path: bf.RGE().start(np.zeros(2)).restore(path),
}


@pytest.mark.parametrize("path", [3, 0.5, None, ""], ids=repr)
@pytest.mark.parametrize("use", NO_PATHS)
def test_what_is_no_path_is_named_and_never_a_descriptor(use, path):
    with pytest.raises(TypeError, match=r"^path: expected a path, got "):
        NO_PATHS[use](path)


def test_checkpoint_and_journal_are_paths():
    for name in ("checkpoint", "journal"):
        with pytest.raises(TypeError, match=rf"^{name}: expected a path, got 3"):
            train(**{name: 3})


def core_error(monkeypatch, error):
    """What `native.core` raises where importing it raises this."""
    from bpfree import native

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "bpfree._core":
                raise error

    monkeypatch.delitem(sys.modules, "bpfree._core", raising=False)
    monkeypatch.delattr(bf, "_core", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    native.core.cache_clear()
    try:
        with pytest.raises(bf.errors.CoreMissingError) as caught:
            native.core()
        assert not native.available()
    finally:
        native.core.cache_clear()
    return caught.value


def test_a_core_that_is_not_built_says_how_to_build_it(monkeypatch):
    error = core_error(monkeypatch, ModuleNotFoundError("No module named 'bpfree._core'", name="bpfree._core"))
    assert not error.built and "bpfree._core is not built. Build it with `pip install .` or `make setup`" in str(error)
    assert 'engine="reference"' in str(error) and "ziglang" in str(error)


@pytest.mark.parametrize(
    "reason",
    [ImportError("_core.so: undefined symbol: bpfree_op_x"), ModuleNotFoundError("No module named 'y'", name="y")],
)
def test_a_core_that_does_not_load_says_why(monkeypatch, reason):
    error = core_error(monkeypatch, reason)
    assert error.built and f"is built but does not load: {reason}. Build it again" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert again.built and str(again) == str(error)
