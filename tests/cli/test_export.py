# SPDX-License-Identifier: MIT
"""`bpfree export firmware`: the same folder as from Python, with samples stored exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import run

import bpfree as bf
from bpfree.cli.data import Data, load
from bpfree.cli.export_firmware import flash_samples
from bpfree.datasets import load_digits
from bpfree.exporters import firmware

DIGITS = load_digits()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Save two models in the working folder: digits.npz and reals.npz."""
    monkeypatch.chdir(tmp_path)
    bf.Sequential(64, [bf.TTLinear(16, rank=2), bf.ReLU(), bf.Linear(10)], seed=1).save("digits.npz")
    bf.Sequential(3, [bf.Linear(2)], seed=2).save("reals.npz")


def document(*arguments):
    result = run("export", "firmware", *arguments, "--json", "-")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_the_same_folder_as_from_python():
    told = document("digits.npz", "out", "--data", "digits", "--samples", 40, "--steps", 7, "--batch-size", 8,
                    "--n-queries", 3, "--one-sided", "--update", "adam", "--lr", 0.002, "--seed", 9)  # fmt: skip
    model = bf.Model.load("digits.npz")
    estimator, update = bf.RGE(3, two_sided=False), bf.Adam(0.002)
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", estimator, update, 8, seed=9)
    few = DIGITS.train.part(0, 40)
    samples = firmware.Samples(few.pixels, labels=few.labels, scale=1 / 16)
    firmware.export(model, "expected", trainer=trainer, samples=samples, steps=7)
    assert contents("out") == contents("expected")
    assert set(told) == {
        "command", "bpfree", "model", "hash", "folder", "target", "steps", "samples", "settings", "ram_bytes",
        "flash_weights_bytes", "flash_samples_bytes", "warnings",
    }  # fmt: skip
    assert told["samples"] == 40 and told["steps"] == 7 and told["target"] == "cortex-m4f"
    assert told["flash_weights_bytes"] == 4 * model.graph.n_theta and told["flash_samples_bytes"] == 40 * (64 + 4)
    assert told["settings"]["update"] == repr(update) and told["ram_bytes"]["state"] == 8 * model.graph.n_theta + 8


def test_what_people_see_and_defaults():
    result = run("export", "firmware", "digits.npz", "out", "--data", "digits")
    for text in ("RGE(n_queries=8", "SGD(lr=0.005)", "100 samples, bytes times 0.0625", "RAM", "make -C out"):
        assert text in result.stdout
    result = run("export", "firmware", "digits.npz", "bare")
    assert "int sample(" in result.stdout and not Path("bare/samples.c").exists()


def test_the_device_computes_what_this_computer_does():
    for package in ("ziglang", "unicorn", "elftools", "capstone"):
        pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')
    from bpfree import emulate

    told = document("digits.npz", "out", "--data", "digits", "--samples", 32, "--steps", 2, "--batch-size", 4)
    built = emulate.compile_firmware("out", optimize="Os")
    result = emulate.run_firmware(built)
    few = DIGITS.train.part(0, 32)
    same = bf.train(bf.Model.load("digits.npz"), few, estimator=bf.RGE(8), update=bf.SGD(5e-3), batch_size=4,
                    max_steps=2)  # fmt: skip
    assert f"{result.hash:016x}" == same.model.hash
    parts = {name: size for name, size in told["ram_bytes"].items() if name not in ("total", "context")}
    assert emulate.footprint(built).ram_bytes == sum(parts.values()), "the context lies on the stack there"


@pytest.mark.parametrize(
    ("x", "kind", "scale"),
    [
        (np.arange(12).reshape(4, 3) / 16, np.uint8, 1 / 16),
        (np.arange(12).reshape(4, 3).astype(np.int64), np.uint8, 1.0),
        (np.array([[0, 1, 255]] * 4) / 256, np.uint8, 1 / 256),
        (np.array([[0, 1, 255]] * 4, np.float32) * np.float32(1 / 255), np.uint8, 1 / 255),
        (np.array([[0.0, 0.1, 0.2]] * 4), np.float32, 1.0),
        (np.array([[-1.0, 0.0, 1.0]] * 4), np.float32, 1.0),
        (np.array([[256.0, 0.0, 1.0]] * 4), np.float32, 1.0),
    ],
)
def test_samples_are_bytes_only_where_that_is_exact(x, kind, scale):
    samples = flash_samples(Data("d", {"train": (x, np.arange(4))}), 3)
    assert samples.rows.dtype == kind and samples.scale == scale
    assert np.array_equal(samples.x, x[:3].astype(np.float32)) and samples.labels.tolist() == [0, 1, 2]


def test_targets():
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.random.default_rng(1).normal(size=(20, 2))
    np.savez("reals-data.npz", x=x, y=y)
    told = document("reals.npz", "out", "--data", "reals-data.npz", "--samples", 5)
    assert told["settings"]["loss"] == "mse" and told["settings"]["batch_size"] == 5
    assert told["flash_samples_bytes"] == 4 * 5 * (3 + 2)
    assert load("reals-data.npz").loss == "mse"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.npz", "out"], "MODEL"),
        (["digits.npz"], "FOLDER"),
        (["digits.npz", "digits.npz"], "FOLDER"),
        (["digits.npz", "out", "--data", "absent"], "DATA: expected one of digits"),
        (["reals.npz", "out", "--data", "digits"], "MODEL: expected a network of 64 inputs for digits, got one of 3"),
        (["digits.npz", "out", "--samples", 4], "--samples: expected --data as well, got none"),
        (["digits.npz", "out", "--data", "digits", "--samples", 0], "--samples"),
        (["digits.npz", "out", "--data", "digits", "--samples", 4, "--batch-size", 5], "at least batch_size=5 rows"),
        (["digits.npz", "out", "--target", "z80"], "--target: expected one of 'cortex-m0', "),
        (["digits.npz", "out", "--steps", 0], "--steps: expected an integer >= 1, got 0"),
        (["digits.npz", "out", "--batch-size", 0], "--batch-size: expected an integer in [1, 16777216], got 0"),
        (["digits.npz", "out", "--seed", -1], "--seed: expected an integer in [0, 4294967295], got -1"),
        (["digits.npz", "out", "--update", "sgd", "--beta", 0.5], "--beta: expected --update momentum"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_wrong_use_is_said_before_anything_is_written(arguments, message):
    result = run("export", "firmware", *arguments)
    told = result.stderr.replace("Invalid value for ", "")
    assert result.exit_code == 2 and message in told and len(told.splitlines()) == 1
    assert not Path("out").exists()


def test_a_folder_of_something_else_is_left_alone():
    Path("mine").mkdir()
    Path("mine/runtime").mkdir()
    Path("mine/runtime/thesis.txt").write_text("years of work")
    result = run("export", "firmware", "digits.npz", "mine")
    assert result.exit_code == 2 and "expected a new folder, an empty one or an earlier export" in result.stderr
    assert Path("mine/runtime/thesis.txt").read_text() == "years of work" and len(contents("mine")) == 1


def test_exporting_again_replaces_an_export():
    document("digits.npz", "out", "--steps", 5)
    document("digits.npz", "out", "--steps", 6)
    assert "MODEL_STEPS 6 " in Path("out/model.h").read_text()


def test_an_edited_file_is_kept_and_that_is_said():
    document("digits.npz", "out", "--steps", 5)
    Path("out/main.c").write_text("int main(void);\n")
    result = run("export", "firmware", "digits.npz", "out", "--steps", 6)
    assert result.exit_code == 0 and "folder: kept main.c in out" in result.stdout
    assert document("digits.npz", "out")["warnings"][0].startswith("folder: kept main.c")
    assert Path("out/main.c").read_text() == "int main(void);\n"
    Path("out/model.c").write_text("int model;\n")
    result = run("export", "firmware", "digits.npz", "out")
    assert result.exit_code == 2 and "FOLDER: expected files as an export left them" in result.stderr
    assert len(result.stderr.splitlines()) == 1 and Path("out/model.c").read_text() == "int model;\n"


def test_ratios_by_losses_need_data():
    common = ("digits.npz", "out", "--estimator", "cge", "--fraction", 0.1)
    refused = run("export", "firmware", *common, "--ratios", "grasp")
    assert refused.exit_code == 2 and "--ratios: expected --data as well" in refused.output
    document(*common, "--ratios", "magnitude")
    slices = bf.Model.load("digits.npz").graph.slices
    assert f"static const bpfree_mask cge_masks[{len(slices)}]" in Path("out/trainer.c").read_text()
