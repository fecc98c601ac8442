# SPDX-License-Identifier: MIT
"""`bpfree export onnx`: ONNX Runtime computes the model from the file."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from command_line import run
from scipy.special import softmax

import bpfree as bf
from bpfree.datasets import load_digits


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = bf.Sequential(64, [bf.TTLinear(32, rank=4), bf.Tanh(), bf.Linear(10)], seed=3)
    model.save("model.npz")
    return model


def test_the_file_computes_the_model(model):
    onnxruntime = pytest.importorskip("onnxruntime")
    x = load_digits().test.x
    for arguments, expected in (((), model.predict(x)), (("--softmax",), softmax(model.predict(x), axis=1))):
        told = json.loads(run("export", "onnx", "model.npz", "model.onnx", *arguments, "--json", "-").stdout)
        session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
        assert np.allclose(session.run(None, {"input": x})[0], expected, atol=1e-5)
        assert told["hash"] == model.hash and told["softmax"] == bool(arguments) and told["bytes"] > 1000


def test_wrong_use(model, tmp_path, monkeypatch):
    result = run("export", "onnx", "model.npz", "model.npz")
    assert result.exit_code == 2 and "FILE: expected another file than that of MODEL, got model.npz" in result.stderr
    assert bf.Model.load("model.npz").hash == model.hash
    (tmp_path / "bad.npz").write_bytes(b"PK")
    result = run("export", "onnx", "bad.npz", "bad.onnx")
    assert result.exit_code == 1 and "bad.npz: not a bpfree model" in result.stderr
    bf.Sequential(4, [bf.Linear(2), bf.Softmax()]).save("ends.npz")
    result = run("export", "onnx", "ends.npz", "ends.onnx", "--softmax")
    assert result.exit_code == 2 and "--softmax: the model ends in one already" in result.stderr
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "bpfree.exporters.onnx_graph", raising=False)
    monkeypatch.delattr(bf.exporters, "onnx_graph", raising=False)
    result = run("export", "onnx", "model.npz", "new.onnx")
    assert result.exit_code == 1 and 'pip install "bpfree[onnx]"' in result.stderr
    assert not (tmp_path / "new.onnx").exists() and not (tmp_path / "ends.onnx").exists()
