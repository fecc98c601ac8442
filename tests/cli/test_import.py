# SPDX-License-Identifier: MIT
"""`bpfree import`: the parameters that a board sent back, checked, as a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import run

import bpfree as bf


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Save a model in the working folder, and what a board made of it."""
    monkeypatch.chdir(tmp_path)
    model = bf.Sequential(3, [bf.Linear(2)], seed=2)
    model.save("model.npz")
    (model.theta + np.float32(0.5)).astype("<f4").tofile("theta.bin")
    return bf.theta_hash(model.theta + np.float32(0.5))


def test_what_a_board_sent_is_a_model(here):
    result = run("import", "theta.bin", "model.npz", "--out", "new.npz", "--hash", here, "--json", "-")
    told, model = json.loads(result.stdout), bf.Model.load("new.npz")
    assert (result.exit_code, told["hash"], told["changed"]) == (0, here, 8)
    assert told["files"] == {"model": "new.npz"} and model.hash == here
    np.testing.assert_array_equal(model.theta, np.fromfile("theta.bin", "<f4"))
    assert f"{here}, as expected" in result.stderr


def test_the_file_s_name_is_that_of_the_model_too(here):
    result = run("import", "theta.bin", "model.npz")
    assert result.exit_code == 0 and bf.Model.load("theta.bin.npz").hash == here


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["absent", "model.npz"], 2, "FILE"),
        (["theta.bin"], 2, "MODEL"),
        (["theta.bin", "model.npz", "--hash", "12"], 2, "--hash: expected 16 hexadecimal digits, got '12'"),
        (["theta.bin", "model.npz", "--hash", "0" * 16], 1, "theta.bin: expected theta of hash 0000000000000000, got"),
        (["model.npz", "model.npz"], 1, "model.npz: expected 32 bytes, the 8 parameters of the model, or a log"),
        (["theta.bin", "model.npz", "--out", "theta.bin"], 2, "--out"),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(arguments, code, message):
    result = run("import", *arguments)
    assert result.exit_code == code and message in result.stderr and len(result.stderr.splitlines()) == 1
    assert {path.name for path in Path(".").iterdir()} == {"model.npz", "theta.bin"}
