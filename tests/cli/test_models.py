# SPDX-License-Identifier: MIT
"""`bpfree info` and `bpfree evaluate` against numbers computed independently."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from command_line import run
from scipy.special import logsumexp

import bpfree as bf
from bpfree import native
from bpfree.cli.device_ram import training_bytes, training_plans
from bpfree.datasets import load_digits
from bpfree.graph.c_tables import device_tables
from bpfree.graph.layers import assemble
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer
from bpfree.ops import OPS
from bpfree.registry import host_only

DIGITS = load_digits()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the models digits.npz, tt.npz and reals.npz (two targets), and data for the last."""
    place = tmp_path_factory.mktemp("models")
    mlp = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=1)
    mlp.save(place / "digits.npz")
    sizes = (7, 4, 4, 7), (8, 4, 4, 8), (1, 5, 2, 1)
    first, last = (bf.TTLinear(*pair, rank=6) for pair in (sizes[:2], sizes[1:]))
    bf.Sequential(784, [first, bf.ReLU(), last]).save(place / "tt.npz")
    bf.Sequential(3, [bf.Linear(2)], seed=2).save(place / "reals.npz")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    np.savez(place / "reals-data.npz", x=x[:30], y=y[:30], x_test=x[30:], y_test=y[30:])
    return place


def document(*arguments):
    result = run(*arguments, "--json", "-")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_info_of_the_published_network(folder):
    info = document("info", folder / "tt.npz")
    assert set(info) == {
        "command", "bpfree", "file", "kind", "hash", "frozen_hash", "graph_hash", "inputs", "outputs", "parameters",
        "frozen", "macs", "layers", "flash_weights_bytes", "inference_ram_bytes", "training_ram_bytes",
    }  # fmt: skip
    assert (info["kind"], info["parameters"], info["frozen"]) == ("model", 3962, 0)
    assert info["hash"] == bf.Model.load(folder / "tt.npz").hash
    assert info["macs"] == sum(row["macs"] for row in info["layers"]) == bf.Model.load(folder / "tt.npz").macs
    first, _, last = info["layers"]
    assert first["tt"]["dense_parameters"] == 785 * 1024 and first["tt"]["dense_macs"] == 784 * 1024
    # core sizes of [7,4,4,7] x [8,4,4,8] at rank 6, and 1024 biases
    assert first["parameters"] == 6 * 56 + 36 * 16 + 36 * 16 + 6 * 56 + 1024
    assert first["tt"]["ranks"] == [1, 6, 6, 6, 1] and last["parameters"] == 1114
    assert info["flash_weights_bytes"] == 4 * 3962
    text = run("info", folder / "tt.npz").stdout
    for piece in ("tt_linear1", "3,962", "282.2x fewer parameters", "2.7x more MACs", "rge + adam", "15,848"):
        assert piece in text


def test_info_of_the_dense_network(folder):
    info = document("info", folder / "digits.npz")
    assert [row["macs"] for row in info["layers"]] == [64 * 32, 0, 32 * 10]
    assert [row["parameters"] for row in info["layers"]] == [65 * 32, 0, 330]
    assert info["inference_ram_bytes"] == {"total": 424, "sample": 256, "arena": 4 * (32 + 10)}
    adam = info["training_ram_bytes"]["rge + adam"]
    assert adam["state"] == 4 * (2 * 2410 + 2) and adam["theta"] == 4 * 2410


@pytest.mark.skipif(not native.available(), reason="the compiled core is not built")
@pytest.mark.parametrize("name", ["digits", "tt"])
def test_ram_of_training_is_what_the_runtime_asks_for(folder, name):
    model = bf.Model.load(folder / f"{name}.npz")
    x, labels = np.zeros((2, model.graph.input.size), np.float32), np.zeros(2, np.uint32)
    pointers = native.core().ffi.sizeof("bpfree_context")
    for update in (bf.SGD(), bf.Adam(), bf.Momentum()):
        rges = bf.RGE(), bf.RGE(5, grouping="tensor"), bf.RGE(3, direction="gaussian")
        for estimator in (*rges, bf.CGE(0.3), bf.UnitWise()):
            trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", estimator, update, batch_size=1)
            if trainer.refusal:
                continue
            plan = training_bytes(trainer)
            device = NativeModel(device_tables(trainer), "scalar")
            loop = NativeTrainer(device, data=(x, labels, None), **trainer.device_settings())
            asked = loop.train_bytes()
            assert plan["total"] - plan["context"] == asked - pointers
            assert plan["context"] == 4 * len(native.core().ffi.typeof("bpfree_context").fields)  # a word each
            assert plan["total"] == sum(size for part, size in plan.items() if part != "total")


def test_a_plan_for_every_estimator_and_update(folder):
    plans = training_plans(bf.Model.load(folder / "digits.npz"))
    assert {"rge + sgd", "rge_sphere + sgd", "cge + sgd", "rge + momentum", "rge + adam"} <= set(plans)
    assert plans["rge + sgd"]["work"] == 0 < plans["rge_sphere + sgd"]["work"]
    assert plans["unit_wise + sgd"]["record"] == 4 * (64 + 32 + 32 + 10)
    of_tensor_trains = bf.Model.load(folder / "tt.npz")
    assert training_plans(of_tensor_trains)["unit_wise + sgd"]["record"] == 4 * of_tensor_trains.graph.n_theta


def test_evaluate_counts_as_numpy_does(folder):
    found = document("evaluate", folder / "digits.npz", "digits")
    assert set(found) == {"command", "bpfree", "model", "hash", "data", "loss", "splits"}
    assert list(found["splits"]) == ["train", "validation", "test"] and found["loss"] == "cross_entropy"
    model = bf.Model.load(folder / "digits.npz")
    for split, (x, labels) in zip(found["splits"], DIGITS):
        row = found["splits"][split]
        assert set(row) == {"samples", "accuracy", "loss", "confusion"}
        scores = model.predict(x, "exact").astype(np.float64)
        counts = np.zeros((10, 10), int)
        for label, taken in zip(labels, scores.argmax(axis=1)):
            counts[label, taken] += 1
        assert row["confusion"] == counts.tolist() and row["samples"] == len(x)
        assert row["accuracy"] == pytest.approx((scores.argmax(axis=1) == labels).mean())
        losses = logsumexp(scores, axis=1) - scores[np.arange(len(x)), labels]
        assert row["loss"] == pytest.approx(losses.mean(), rel=1e-5)


def test_evaluate_one_split_on_an_engine(folder):
    exact = document("evaluate", folder / "digits.npz", "digits", "--split", "test", "--engine", "exact")
    default = document("evaluate", folder / "digits.npz", "digits", "--split", "test")
    assert list(exact["splits"]) == ["test"] and exact["splits"]["test"] == default["splits"]["test"]
    text = run("evaluate", folder / "digits.npz", "digits", "--split", "validation").stdout
    assert "validation: a row for each class" in text and " 200 " in text and " 300 " not in text


def test_evaluate_targets_has_no_accuracy(folder):
    found = document("evaluate", folder / "reals.npz", folder / "reals-data.npz")
    assert list(found["splits"]) == ["train", "test"] and found["loss"] == "mse"
    with np.load(folder / "reals-data.npz") as data:
        error = bf.Model.load(folder / "reals.npz").predict(data["x_test"], "reference") - data["y_test"]
    assert found["splits"]["test"]["loss"] == pytest.approx((error**2).mean(), rel=1e-5)
    assert found["splits"]["test"]["accuracy"] is found["splits"]["test"]["confusion"] is None


def test_many_classes_have_a_shorter_table(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 30
    np.savez(tmp_path / "data.npz", x=x, y=y)
    bf.Sequential(2, [bf.Linear(30)]).save(tmp_path / "model.npz")
    text = run("evaluate", tmp_path / "model.npz", tmp_path / "data.npz").stdout
    assert "train, by class" in text and len(text.splitlines()) < 50


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["info", "absent.npz"], 2, "absent.npz"),
        (["info", "."], 2, "is a directory"),
        (["info", "reals-data.npz"], 1, "not a bpfree model: expected arrays schema, graph, theta, frozen"),
        (["evaluate", "reals-data.npz", "digits"], 1, "not a bpfree model"),
        (["evaluate", "tt.npz", "digits"], 2, "MODEL: expected a network of 64 inputs for digits, got one of 784"),
        (["evaluate", "digits.npz", "absent"], 2, "DATA: expected one of digits"),
        (["evaluate", "digits.npz", "tt.npz"], 1, "not a data file"),
        (["evaluate", "reals.npz", "reals-data.npz", "--split", "validation"], 2, "--split"),
        (["evaluate", "reals.npz", "reals-data.npz", "--loss", "cross_entropy"], 2, "expected integer labels (n,) for"),
        (["evaluate", "digits.npz", "digits", "--loss", "mse"], 2, "DATA: expected real numbers of shape (n, 10) for"),
        (["evaluate", "digits.npz", "digits", "--engine", "gpu"], 2, "--engine"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_files_that_do_not_fit_are_refused_in_one_line(folder, monkeypatch, arguments, code, message):
    monkeypatch.chdir(folder)
    result = run(*arguments)
    assert result.exit_code == code and message in result.stderr and len(result.stderr.splitlines()) == 1


def test_info_of_models_that_cannot_train_or_run_on_a_device(tmp_path, monkeypatch):
    bf.Sequential(4, [bf.ReLU()]).save(tmp_path / "relu.npz")
    info = document("info", tmp_path / "relu.npz")
    assert info["training_ram_bytes"] == {} and info["inference_ram_bytes"]["total"] == 32
    relu = OPS["relu"]
    other = replace(relu, c=host_only("no kernel here"))
    monkeypatch.setitem(OPS._by_name, "relu", other)
    monkeypatch.setattr(OPS, "rows", tuple(other if row is relu else row for row in OPS.rows))
    monkeypatch.setattr(OPS, "_known", frozenset(map(id, OPS.rows)))
    info = document("info", tmp_path / "relu.npz")
    assert info["inference_ram_bytes"] is None and "no kernel here" in info["no_ram_plan"]
    assert "no plan for a device: node 'relu1': relu has no C kernel" in run("info", tmp_path / "relu.npz").stdout


def test_names_from_a_file_do_not_steer_the_terminal(tmp_path):
    graph = assemble((4,), [("linear", "[red]name", ["input"], {"outputs": 2, "bias": True})])
    bf.Model(graph, np.zeros(10, np.float32)).save(tmp_path / "model.npz")
    assert "[red]name" in run("info", tmp_path / "model.npz").stdout
    with np.load(tmp_path / "model.npz") as file:
        arrays = dict(file)
    text = str(arrays["graph"]).replace("[red]name", "\\u001b[2Jname")
    np.savez(tmp_path / "model.npz", **{**arrays, "graph": text})
    told = run("info", tmp_path / "model.npz")
    assert told.exit_code == 1 and "\x1b" not in told.output and "characters that can be printed" in told.stderr


def test_a_loss_that_overflows_is_null(tmp_path):
    model = bf.Sequential(64, [bf.Linear(10)])
    bf.Model(model.graph, np.full(650, 3e38, np.float32)).save(tmp_path / "huge.npz")
    for engine in ("exact", "reference", *(["compiled"] if native.available() else [])):
        found = document("evaluate", tmp_path / "huge.npz", "digits", "--split", "test", "--engine", engine)
        assert found["splits"]["test"]["loss"] is None


@pytest.mark.parametrize("command", [["info"], ["evaluate"], ["export", "firmware"]], ids=" ".join)
def test_damaged_models_are_refused(folder, tmp_path, command):
    whole = (folder / "digits.npz").read_bytes()
    rest = {"info": [], "evaluate": ["digits"], "firmware": [tmp_path / "out"]}[command[-1]]
    damaged = tmp_path / "damaged.npz"
    for data in (b"", b"\x00" * 100, whole[:100], whole[:-100], whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:]):
        damaged.write_bytes(data)
        result = run(*command, damaged, *rest)
        assert result.exit_code == 1 and result.stdout == ""
        assert "damaged.npz: not a bpfree model" in result.stderr and len(result.stderr.splitlines()) == 1
        assert damaged.read_bytes() == data and not (tmp_path / "out").exists()
