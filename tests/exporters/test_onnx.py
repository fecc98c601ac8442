"""ONNX files: what onnxruntime makes of them is what the model computes; their bytes; what is refused."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rounding
from helpers import assert_same_bits, floats, single_op
from random_graphs import random_graph
from reference_models import reference_runs
from rounding import forward_tolerance

import bpfree as bf
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.ops import OPS
from bpfree.tt.cores import to_dense

onnx = pytest.importorskip("onnx", reason='onnx missing: pip install "bpfree[onnx]"')
ort = pytest.importorskip("onnxruntime", reason='onnxruntime missing: pip install "bpfree[onnx]"')

SUPPORT = str(Path(rounding.__file__).parent)
EXAMPLES = [(row.name, *example) for row in OPS for example in row.examples]
EXAMPLES += [
    ("linear", {"outputs": 4, "bias": True}, ((3, 2),)),
    ("tt_linear", {**OPS["tt_linear"].examples[0][0]}, ((3, 4),)),
    ("tt_linear", {**OPS["tt_linear"].examples[1][0], "bias": False}, ((2, 2, 2),)),
    ("softmax", {}, ((2, 3, 2),)),
]
IDS = [f"{k}-{name}" for k, (name, *_) in enumerate(EXAMPLES)]
BATCHES = (1, 2, 33)
MNIST = [
    bf.TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6),
    bf.ReLU(),
    bf.TTLinear((8, 4, 4, 8), (1, 5, 2, 1), rank=6),
]


def model_of(graph, seed=0):
    """A model whose biases are not zero, unlike initial ones."""
    theta, frozen = initial_parameters(graph, seed)
    return bf.Model(graph, theta + floats(1, theta.size, scale=0.3), frozen + floats(2, frozen.size, scale=0.3))


def exported(model, folder, **options):
    """The checked ModelProto, and a function of x."""
    proto = onnx.load(bf.exporters.onnx.export(model, folder / "model.onnx", **options))
    onnx.checker.check_model(proto, full_check=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(proto.SerializeToString(), options, ["CPUExecutionProvider"])
    return proto, lambda x: session.run(["output"], {"input": x})[0]


def assert_computes(run, model, scale=2.0):
    """For every batch size, within what float32 sums allow, and so closely that nothing can be wrong."""
    for n in BATCHES:
        x = floats(n, n, *model.graph.input.shape, scale=scale)
        y, expected = run(x), model.predict(x, "exact")
        assert y.dtype == np.float32 and y.shape == (n, *model.graph.output.shape)
        tolerance = forward_tolerance(model.graph, model.theta, model.frozen, x.reshape(n, -1))
        assert np.all(np.abs(y.reshape(n, -1) - expected) <= tolerance)
        assert tolerance.max() < 1e-4 * max(1.0, np.abs(expected).max())


def shapes_in(proto):
    """Name to shape of all that onnx's own inference can tell."""
    inferred = onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True).graph
    return {
        value.name: tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }


SOFTMAX_OF_ONE = [case for case in EXAMPLES if case[0] == "softmax" and np.prod(case[2][0]) == 1]
"""Which is 1, and so refused."""


@pytest.mark.parametrize(("op", "attributes", "shapes"), EXAMPLES, ids=IDS)
def test_every_op(tmp_path, op, attributes, shapes):
    model = model_of(single_op(op, attributes, shapes))
    if (op, attributes, shapes) in SOFTMAX_OF_ONE:
        with pytest.raises(ValueError, match="that of one is always 1"):
            exported(model, tmp_path)
        return
    proto, run = exported(model, tmp_path)
    assert_computes(run, model)
    seen = shapes_in(proto)
    assert seen["input"] == ("n", *model.graph.input.shape) and seen["output"] == ("n", *model.graph.output.shape)


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs(tmp_path, seed):
    model = model_of(random_graph(seed), seed)
    proto, run = exported(model, tmp_path)
    assert_computes(run, model, scale=1.0)
    assert set(shapes_in(proto)) >= {node.output[0] for node in proto.graph.node if node.op_type != "Reshape"}


def test_random_graphs_have_every_op_and_skips():
    graphs = [random_graph(seed) for seed in range(60)]
    assert {node.op for graph in graphs for node in graph.nodes} == set(OPS)
    assert sum(node.op is OPS["add"] for graph in graphs for node in graph.nodes) > 10
    assert sum(graph.n_frozen > 0 for graph in graphs) > 10


@pytest.mark.parametrize("name", list(reference_runs()))
def test_reference_models_trained(tmp_path, name):
    run, _ = reference_runs()[name].train("exact", steps=10)
    assert_computes(exported(run.model, tmp_path)[1], run.model)


def test_the_mnist_network_stays_small(tmp_path):
    model = model_of(bf.Sequential(784, MNIST, seed=0).graph)
    proto, run = exported(model, tmp_path)
    assert_computes(run, model, scale=0.5)
    assert len(proto.graph.node) == 2 * (4 * 4 + 3) + 1
    size = (tmp_path / "model.onnx").stat().st_size
    dense = bf.Sequential(784, [bf.Linear(1024), bf.ReLU(), bf.Linear(10)])
    bf.exporters.onnx.export(dense, tmp_path / "dense.onnx")
    assert size < 20_500 and (tmp_path / "dense.onnx").stat().st_size > 150 * size


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("start", ["left", "right"])
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5])
def test_a_tensor_train_layer_is_4d_and_3_nodes(tmp_path, d, start, bias):
    inputs, outputs = [2, 3, 2, 3, 2][:d], [3, 2, 1, 2, 3][:d]
    attributes = {"inputs": inputs, "outputs": outputs, "ranks": [1, *[2, 3, 4, 2][: d - 1], 1], "bias": bias}
    attributes["start"] = start
    features = int(np.prod(inputs))
    for narrower in (0, 1):
        model = model_of(assemble([features - narrower], [("tt_linear", "tt", ["input"], attributes)]))
        proto, run = exported(model, tmp_path)
        assert len(proto.graph.node) == 4 * d + 2 + bias + narrower
        assert_computes(run, model)
        parameters = model.parameters()
        dense = to_dense([parameters[f"tt.core{k}"].astype(float) for k in range(d)])
        x = floats(5, 3, features - narrower)
        expected = x @ dense[: features - narrower] + parameters.get("tt.bias", 0)
        np.testing.assert_allclose(run(x), expected, rtol=1e-4, atol=1e-4)


def test_the_stored_direction_is_the_one_that_is_swept(tmp_path):
    """By the sizes of the intermediates, which differ."""
    attributes = {"inputs": [2, 8], "outputs": [8, 2], "ranks": [1, 3, 1], "bias": True}
    products = {}
    for start in ("left", "right"):
        model = model_of(assemble([16], [("tt_linear", "tt", ["input"], {**attributes, "start": start})]))
        proto, _ = exported(model, tmp_path)
        sizes = {i.name: list(i.dims) for i in proto.graph.initializer}
        products[start] = [sizes[n.input[0]] for n in proto.graph.node if n.op_type == "MatMul"]
    assert products == {"left": [[3 * 8, 2], [2, 3 * 8]], "right": [[3 * 2, 8], [8, 3 * 2]]}


def test_parameters_are_initialisers_under_their_own_names(tmp_path):
    rows = [
        ("tt_linear", "tt", ["input"], dict(OPS["tt_linear"].examples[2][0])),
        ("linear", "head", ["tt"], {"outputs": 3, "bias": True}),
    ]
    model = model_of(assemble([24], rows, frozen=["tt.core1", "head.bias"]))
    proto, _ = exported(model, tmp_path)
    stored = {i.name: onnx.numpy_helper.to_array(i) for i in proto.graph.initializer}
    assert [i.name for i in proto.graph.initializer if i.name in model.parameters()] == list(model.parameters())
    for name, value in model.parameters().items():
        if "core" in name:  # as MatMul reads them: (r' O, r I)
            r0, i, o, r1 = value.shape
            value = np.einsum("aiob->boai", value).reshape(r1 * o, r0 * i)
        assert_same_bits(stored[name], value)


def test_names_that_clash(tmp_path):
    """Of nodes, from a file: like the input, the output, a parameter, an intermediate, empty."""
    rows = [
        ("linear", "output", ["input"], {"outputs": 6, "bias": True}),
        ("scale", "output.weight", ["output"], {"factor": 2.0, "offset": 0.5}),
        ("tt_linear", "a", ["output.weight"], {**OPS["tt_linear"].examples[0][0], "inputs": [2, 3]}),
        *(("tanh", name, ["a"], {}) for name in ("a.t0", "a.core0", "", "_", "a.2x-1", "samples", "input.shape")),
        ("parameter", "input.first", [], {"shape": [8]}),
        ("add", "b", ["a.t0", ""], {}),
        ("add", "a.y", ["b", "input.first"], {}),
    ]
    model = model_of(assemble([4], rows))
    proto, run = exported(model, tmp_path)
    assert_computes(run, model)
    names = [name for node in proto.graph.node for name in node.output] + [i.name for i in proto.graph.initializer]
    assert len(set(names)) == len(names) and "" not in names


def test_names_as_importers_bring_them(tmp_path):
    """Dots everywhere: of modules, and of slices that are frozen."""
    rows = [
        ("linear", "encoder.layers.0.mlp", ["input"], {"outputs": 6, "bias": True}),
        ("parameter", "encoder.cls.token", [], {"shape": [6]}),
        ("add", "encoder.layers.0", ["encoder.layers.0.mlp", "encoder.cls.token"], {}),
        ("linear", "head", ["encoder.layers.0"], {"outputs": 2, "bias": False}),
    ]
    frozen = ["encoder.layers.0.mlp.weight", "encoder.cls.token.value"]
    model = model_of(assemble([4], rows, frozen=frozen))
    model.save(tmp_path / "model.npz")
    again = bf.Model.load(tmp_path / "model.npz")
    assert [s.name for s in again.graph.slices if s.frozen] == frozen
    proto, run = exported(again, tmp_path)
    assert_computes(run, model)
    stored = {i.name: onnx.numpy_helper.to_array(i) for i in proto.graph.initializer}
    for name, value in model.parameters().items():
        assert_same_bits(stored[name], value)


def test_parameters_alone_are_expanded_over_the_samples(tmp_path):
    """Two of them, and n is asked for once."""
    rows = [(kind, name, [], {"shape": [2, 3]}) for kind, name in (("parameter", "a"), ("parameter", "b"))]
    model = model_of(assemble([5], [*rows, ("add", "y", ["a", "b"], {})]))
    proto, run = exported(model, tmp_path)
    assert_computes(run, model)
    assert [node.op_type for node in proto.graph.node].count("Shape") == 1


def test_softmax_on_request(tmp_path):
    model = model_of(bf.Sequential(5, [bf.Linear(4)]).graph)
    proto, run = exported(model, tmp_path, softmax=True, name="of four")
    scores = model.predict(floats(0, 7, 5), "exact").astype(float)
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(run(floats(0, 7, 5)), expected, rtol=1e-5)
    assert proto.graph.name == "of four" and about(proto)["bpfree.model_hash"] == f"{model.graph.hash():016x}"
    ends_in_one = bf.Sequential(5, [bf.Linear(4), bf.Softmax()])
    with pytest.raises(ValueError, match="softmax: the model ends in one already"):
        bf.exporters.onnx.export(ends_in_one, tmp_path / "twice.onnx", softmax=True)


def about(proto):
    return {entry.key: entry.value for entry in proto.metadata_props}


def test_metadata(tmp_path):
    model = model_of(small().graph)
    proto, _ = exported(model, tmp_path)
    hashes = {"bpfree.model_hash": f"{model.graph.hash():016x}", "bpfree.theta_hash": model.hash}
    assert about(proto) == {"bpfree.version": bf.__version__, **hashes}
    assert (proto.producer_name, proto.producer_version) == ("bpfree", bf.__version__)
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", 13)] and proto.ir_version == 7


def small():
    return bf.Sequential((2, 4), [bf.Residual(bf.Sin()), bf.TTLinear((2, 4), (3, 2), rank=2), bf.Linear(3)], seed=3)


def digest(path, model=None):
    return hashlib.sha256(bf.exporters.onnx.export(model or small(), path).read_bytes()).hexdigest()


def test_the_same_bytes_in_every_process(tmp_path):
    hashes = {digest(tmp_path / name) for name in ("first.onnx", "second.onnx", "first.onnx")}
    for seed in ("1", "4242"):
        command = [sys.executable, "-c", "import sys, test_onnx; print(test_onnx.digest(sys.argv[1]))"]
        process = subprocess.run(
            [*command, str(tmp_path / seed)],
            **{"cwd": Path(__file__).parent, "env": {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": SUPPORT}},
            **{"check": True, "capture_output": True, "text": True},
        )
        hashes.add(process.stdout.strip())
    assert len(hashes) == 1
    small().save(tmp_path / "small.npz")
    assert digest(tmp_path / "loaded.onnx", bf.Model.load(tmp_path / "small.npz")) in hashes
    moved = small()
    moved.theta[0] += 1
    assert digest(tmp_path / "moved.onnx", moved) not in hashes


def test_the_same_bytes_on_every_machine(tmp_path, monkeypatch):
    """A change here changes every file: the packages that write them or the export itself did."""
    monkeypatch.setattr(bf, "__version__", "0")
    assert digest(tmp_path / "m.onnx") == "e4fa69c403e4344de45a696b43a654ecedf640abfb15e39e6150dc0c31cbaf4b"


def test_a_softmax_of_one_output_is_refused(tmp_path):
    path, one = tmp_path / "m.onnx", [bf.Linear(3), bf.Tanh(), bf.Linear(1)]
    for layers, softmax in ((one, True), ([*one, bf.Softmax()], False), ([bf.Linear(1), bf.Softmax()], False)):
        with pytest.raises(ValueError, match="softmax: expected two outputs or more, as that of one is always 1, got"):
            bf.exporters.onnx.export(bf.Sequential(4, layers), path, softmax=softmax)
        assert not path.exists()
    bf.exporters.onnx.export(bf.Sequential(4, [*one, bf.Sigmoid()]), path)


def test_only_an_earlier_export_is_replaced(tmp_path):
    path = tmp_path / "m.onnx"
    bf.exporters.onnx.export(small(), path)
    bf.exporters.onnx.export(small(), path, softmax=True)
    proto = onnx.load(path)
    assert proto.graph.node[-1].op_type == "Softmax"
    proto.producer_name = "a quantiser"
    for data in (proto.SerializeToString(), b"", b"\xff" * 99, b"a thesis"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="path: expected a new file or an earlier export, got .*m.onnx: choose"):
            bf.exporters.onnx.export(small(), path)
        assert path.read_bytes() == data


def test_other_arguments_are_refused(tmp_path):
    path = tmp_path / "m.onnx"
    for wrong in (None, small().graph, "digits.npz", bf.Model):
        with pytest.raises(TypeError, match="model: expected a Model"):
            bf.exporters.onnx.export(wrong, path)
    with pytest.raises(ValueError, match="softmax: expected one of True, False, got 'yes'"):
        bf.exporters.onnx.export(small(), path, softmax="yes")
    for name in ("", 3):
        with pytest.raises(TypeError, match="name: expected a "):
            bf.exporters.onnx.export(small(), path, name=name)
    assert not path.exists()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_parameters_that_are_not_finite_are_refused(tmp_path, value):
    path = tmp_path / "m.onnx"
    bf.exporters.onnx.export(small(), path)
    before = path.read_bytes()
    model = small()
    model.theta[-2:] = value
    with pytest.raises(ValueError, match=r"model: expected finite parameters, got 2 in linear4.bias"):
        bf.exporters.onnx.export(model, path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    for path, error in ((tmp_path / "none" / "m.onnx", FileNotFoundError), (tmp_path, IsADirectoryError)):
        with pytest.raises(error, match=str(path)):
            bf.exporters.onnx.export(small(), path)
    with pytest.raises(TypeError):
        bf.exporters.onnx.export(small(), None)
    assert os.listdir(tmp_path) == []


def test_without_onnx_it_says_how_to_get_it(tmp_path):
    program = (
        "import sys; sys.modules['onnx'] = None\n"
        "import bpfree as bf\n"
        "bf.exporters.firmware\n"
        "bf.exporters.onnx.export(bf.Sequential(2, [bf.Linear(2)]), 'm.onnx')"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last == 'ImportError: exporting to ONNX needs onnx: pip install "bpfree[onnx]"'


def test_the_exporters_load_without_the_package():
    program = "import bpfree as bf, sys; bf.exporters.onnx.export; print('onnx' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "False"


def test_a_model_of_surgery_with_frozen_parts_keeps_its_values_by_name(tmp_path):
    """A Model as a layer, a new head, a part of it frozen: names, values and outputs are the model's own."""
    body = bf.Sequential(12, [bf.TTLinear((3, 4), (2, 4), rank=2), bf.ReLU()], seed=2).freeze("*.core0")
    model = bf.Sequential(12, [body, bf.Tanh(), bf.Linear(3)]).replace("linear4", [bf.Linear(5)], seed=9)
    model = model.freeze("linear4.bias")
    model.frozen += floats(5, model.frozen.size, scale=0.1)
    proto, run = exported(model, tmp_path)
    assert_computes(run, model)
    stored = {value.name: onnx.numpy_helper.to_array(value) for value in proto.graph.initializer}
    own = model.parameters()
    assert set(own) <= set(stored) and all(stored[name].size == own[name].size for name in own)
    np.testing.assert_array_equal(stored["linear4.bias"], own["linear4.bias"])
    for name in own:
        np.testing.assert_array_equal(np.sort(stored[name].ravel()), np.sort(own[name].ravel()))
    assert_computes(exported(model.unfreeze("*"), tmp_path)[1], model)


@pytest.mark.parametrize(
    ("name", "kind"), [("\ud800", ValueError), ("a\x1b[2J", ValueError), ("", TypeError), (3, TypeError)]
)
def test_names_of_graphs_are_texts_that_can_be_shown(tmp_path, name, kind):
    with pytest.raises(kind, match="^name: expected"):
        bf.exporters.onnx.export(bf.Sequential(4, [bf.Linear(2)]), tmp_path / "m.onnx", name=name)
