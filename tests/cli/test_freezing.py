# SPDX-License-Identifier: MIT
"""--trainable and --freeze: the split of Python, through training, replay, info and firmware."""

from __future__ import annotations

import json

import pytest
from command_line import DIGITS, document, run

import bpfree as bf

SHORT = ("digits", "--model", "mlp", "--max-steps", 6, "--no-floor")


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def start():
    return bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=0)


def test_the_same_bits_as_in_python():
    told = document(*SHORT, "--trainable", "linear3.*", "--trainable", "*.bias", "--freeze", "linear3.bias", "--update",
                    "sgd", "--lr", 0.1, "--n-queries", 4)  # fmt: skip
    model = start().train_only("linear3.weight", "linear1.bias")
    same = bf.train(model, DIGITS.train, estimator=bf.RGE(4), update=bf.SGD(0.1), batch_size=32, max_steps=6,
                    validation=DIGITS.validation)  # fmt: skip
    assert told["hash"] == same.model.hash and (told["parameters"], told["frozen"]) == (352, 2058)
    saved = bf.Model.load("bpfree-digits.npz")
    assert saved.graph.hash() == model.graph.hash() and saved.frozen_hash == model.frozen_hash


def test_journals_checkpoints_and_info_know_the_split():
    first = document(*SHORT, "--trainable", "linear3.*", "--journal", "run.journal", "--checkpoint", "run.ckpt")
    replayed = run("replay", "run.journal", "--json", "-")
    assert json.loads(replayed.stdout)["hash"] == first["hash"]
    assert bf.Model.load("run.journal.npz").graph.n_frozen == 2080
    other = run("train", *SHORT, "--trainable", "linear1.*", "--checkpoint", "run.ckpt", "--resume")
    assert other.exit_code == 2 and "is of another run; model: " in other.stderr
    told = run("info", "bpfree-digits.npz", "--json", "-")
    rows = {row["name"]: (row["frozen"], row["frozen_slices"]) for row in json.loads(told.stdout)["layers"]}
    assert rows == {"linear1": (2080, ["linear1.weight", "linear1.bias"]), "relu2": (0, []), "linear3": (0, [])}
    seen = run("info", "bpfree-digits.npz").output
    assert "frozen: linear1.weight, linear1.bias" in seen and "frozen parameters" in seen


def test_firmware_of_a_part():
    start().save("mlp.npz")
    result = run("export", "firmware", "mlp.npz", "firmware", "--data", "digits", "--freeze", "linear1.*")
    assert result.exit_code == 0, result.output
    with open("firmware/model.h") as header:
        assert "#define MODEL_THETA 330 " in header.read()
    with open("firmware/model.c") as source:
        assert "static const float model_frozen[2080] WEIGHTS" in source.read()


@pytest.mark.parametrize("command", [("train", *SHORT), ("export", "firmware", "mlp.npz", "out")], ids=lambda c: c[0])
@pytest.mark.parametrize("option", ["--trainable", "--freeze"])
def test_what_matches_nothing_is_refused_before_anything_is_written(tmp_path, command, option):
    start().save("mlp.npz")
    for pattern, message in (("linear9.*", "expected a pattern that matches one of linear1.weight"), ("", "got ''")):
        result = run(*command, option, pattern)
        assert result.exit_code == 2 and option in result.stderr and message in result.stderr
    everything = run(*command, "--freeze", "*")
    assert everything.exit_code == 2 and "expected trainable parameters, got none" in everything.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mlp.npz"]
