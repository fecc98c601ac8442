# SPDX-License-Identifier: MIT
"""`bpfree train`: the same run as in Python, saved, measured and reported; wrong use is refused before it starts."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from command_line import DIGITS, document, interrupted, run

import bpfree as bf
from bpfree.cli import recipes, training_options
from bpfree.cli.data import load
from bpfree.cli.interrupt import asked_to_stop
from bpfree.cli.train import train as train_command
from bpfree.study.floors import random_features_floor

KEYS = {
    "command", "bpfree", "data", "settings", "outcome", "steps", "loss", "validation", "test", "floor", "history",
    "parameters", "forwards", "evaluations", "macs", "seconds", "peak_ram_bytes", "hash", "files",
    "outcome_code", "best", "frozen", "advice",
}  # fmt: skip


def test_the_same_bits_as_in_python():
    told = document("digits", "--model", "tt", "--n-queries", 4, "--grouping", "layer", "--mu", 0.01,
                    "--update", "adam", "--lr", 0.02, "--clip", 2, "--weight-decay", 1e-3, "--batch-size", 16,
                    "--max-steps", 7, "--seed", 5, "--validate-every", 3, "--no-floor")  # fmt: skip
    model = bf.Sequential(64, [bf.TTLinear(32, rank=6), bf.ReLU(), bf.Linear(10)], seed=5)
    same = bf.train(
        model, DIGITS.train, estimator=bf.RGE(4, mu=0.01, grouping="layer"), seed=5, validation=DIGITS.validation,
        update=bf.chain(bf.clip(2), bf.WeightDecay(1e-3), bf.Adam(0.02)), batch_size=16, max_steps=7, validate_every=3,
    )  # fmt: skip
    assert told["hash"] == same.model.hash == bf.Model.load("bpfree-digits.npz").hash
    assert set(told) == KEYS and told["outcome"] == "done" and told["steps"] == 7
    assert (told["forwards"], told["evaluations"], told["macs"]) == (same.forwards, same.evaluations, same.macs)
    looks = told["history"]["validation"]
    assert told["history"]["metric"] == "accuracy"
    assert [(row["step"], row["value"], row["forwards"]) for row in looks] == [row[:3] for row in same.history]
    assert told["best"] == {"step": same.best.step, "value": same.best.value}
    assert told["test"]["accuracy"] == same.model.accuracy(*DIGITS.test)
    assert told["validation"]["accuracy"] == same.validation[-1][1]
    assert told["loss"] == same.losses[-1] and told["parameters"] == model.graph.n_theta
    assert told["files"] == {"model": "bpfree-digits.npz", "plot": None, "checkpoint": None, "journal": None}
    assert told["floor"] == {"reason": "not asked for"}
    assert told["peak_ram_bytes"] > 1e7 and told["seconds"] > 0


def test_options_left_out_are_the_recipe_and_then_the_class(monkeypatch):
    monkeypatch.setitem(recipes.GENERAL, "epochs", 1)
    told = document("digits", "--no-floor")
    assert told["settings"]["estimator"] == repr(bf.RGE(n_queries=32)) and told["settings"]["epochs"] == 1
    assert told["settings"]["update"] == repr(bf.Adam(lr=5e-3)) and told["steps"] == 1297 // 32
    told = document("digits", "--no-floor", "--update", "sgd", "--max-steps", 2)
    assert told["settings"]["update"] == repr(bf.SGD()) and told["settings"]["epochs"] is None


@pytest.mark.slow
def test_the_defaults_train_the_digits():
    told = document("digits")
    assert told["test"]["accuracy"] > 0.9 > told["floor"]["accuracy"] > 0.7


def test_the_floor_is_that_of_the_same_network_untrained():
    told = document("digits", "--max-steps", 2, "--seed", 4)
    untrained = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=4)
    expected = random_features_floor(untrained, DIGITS.train, DIGITS.test, validation=DIGITS.validation)
    assert told["floor"] == {"accuracy": expected.accuracy, "split": "test"}
    told = document("digits", "--layers", "linear(10) softmax", "--max-steps", 2)
    assert "expected a linear or TT layer at the end" in told["floor"]["reason"]


def test_what_people_see():
    result = run("train", "digits", "--max-steps", 3)
    for text in ("1,297 train, 200 validation, 300 test", "RGE(n_queries=32", "test ", "floor", "│ 3 ", "forwards",
                 "MACs", "peak RAM", "outcome", "done", "bpfree-digits.npz"):  # fmt: skip
        assert text in result.stdout, text
    assert "(replaced)" not in result.stdout and "(replaced)" in run("train", "digits", "--max-steps", 3).stdout
    for line in result.stdout.split("\nnext\n")[1].splitlines():
        program, *arguments = shlex.split(line)
        assert program == "bpfree" and run(*arguments).exit_code == 0, line


def test_going_on_from_a_saved_model():
    document("digits", "--max-steps", 2, "--out", "a.npz", "--no-floor")
    told = document("digits", "--model", "a.npz", "--out", "b.npz", "--max-steps", 2, "--seed", 1, "--no-floor",
                    "--update", "sgd", "--lr", 0.1, "--batch-size", 8, "--n-queries", 2)  # fmt: skip
    again = bf.train(bf.Model.load("a.npz"), DIGITS.train, estimator=bf.RGE(2), update=bf.SGD(0.1), batch_size=8,
                     max_steps=2, seed=1)  # fmt: skip
    assert told["hash"] == again.model.hash


def write(name, **arrays):
    np.savez(name, **arrays)
    return name


def blobs(n=90, kind=np.int64):
    x = np.random.default_rng(1).normal(size=(n, 4, 2))
    return x, (x[:, 0, 0] > 0).astype(kind) + (x[:, 1, 1] > 0).astype(kind)


def test_a_file_of_classes():
    x, y = blobs()
    write("own.npz", x=x[:70], y=y[:70], x_test=x[70:], y_test=y[70:])
    told = document("own.npz", "--max-steps", 3, "--layers", "tanh linear(outputs)")
    assert told["data"] == {
        "name": "own", "inputs": [4, 2], "outputs": 3, "samples": {"train": 63, "validation": 7, "test": 20},
    }  # fmt: skip
    assert told["settings"]["loss"] == "cross_entropy" and told["test"]["samples"] == 20
    assert told["files"]["model"] == "bpfree-own.npz" and bf.Model.load("bpfree-own.npz").graph.output.size == 3


def test_a_file_of_targets_without_any_split():
    x, y = blobs(kind=np.float32)
    write("own.npz", x=x.transpose(2, 1, 0).T, y=np.stack([y, -y], 1))
    told = document("own.npz", "--max-steps", 3, "--validation", 0)
    assert told["settings"]["loss"] == "mse" and told["data"]["samples"] == {"train": 90}
    assert told["test"] is None and told["validation"] is None and told["floor"] == {"reason": "for classes only"}


def test_fewer_samples_than_the_batch_of_the_recipe():
    x, y = blobs(20)
    assert document(write("own.npz", x=x, y=y), "--max-steps", 2)["settings"]["batch_size"] == 18


def test_the_validation_split_is_the_same_for_every_seed_and_no_sample_is_lost():
    x, y = np.arange(200.0).reshape(100, 2), np.arange(100) % 3
    data = load(write("own.npz", x=x, y=y)).with_validation(0.25)
    parts = [data.splits[name][0] for name in ("train", "validation")]
    assert [len(part) for part in parts] == [75, 25]
    assert sorted(np.concatenate(parts)[:, 0]) == x[:, 0].tolist()
    again = load("own.npz").with_validation(0.25).splits["validation"]
    assert np.array_equal(again[0], parts[1]) and np.array_equal(again[1], (again[0][:, 0] // 2 % 3).astype(int))
    assert not np.array_equal(parts[1][:, 0], np.sort(parts[1][:, 0])), "the validation split is in shuffled order"


@pytest.mark.parametrize(
    ("arrays", "code", "message"),
    [
        ({"x": np.zeros((4, 2))}, 1, "expected arrays x, y, got x"),
        ({"a": np.zeros(2)}, 1, "not a data file (an .npz with arrays x and y): expected arrays x, y, got a"),
        ({"x": np.zeros((4, 2)), "y": np.zeros(3)}, 2, "y: expected one row per sample (4), got shape (3,)"),
        ({"x": np.zeros(4), "y": np.zeros(4)}, 2, "x: expected shape (n, features...)"),
        ({"x": np.zeros((0, 4)), "y": np.zeros(0)}, 2, "x: expected shape (n, features...) with n >= 1"),
        ({"x": np.zeros((4, 2)), "y": np.zeros(4), "x_test": np.zeros((4, 2))}, 2, "expected y_test as well as x_test"),
        ({"x": np.zeros((4, 2)), "y": np.zeros(4), "x_test": np.zeros((4, 3)), "y_test": np.zeros(4)}, 2, "one shape"),
        ({"x": np.zeros((4, 2)), "y": np.array([0, 1, -1, 0])}, 2, "as y holds integers, got -1 to 1"),
        ({"x": np.zeros((4, 2)), "y": np.array([0, 1, 10**9, 0])}, 2, "number the classes from 0"),
        ({"x": np.full((4, 2), "a"), "y": np.zeros(4)}, 2, "x: expected real numbers, got <U1"),
        ({"x": np.array([{}] * 4), "y": np.zeros(4)}, 1, "expected plain numbers, got Python objects"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_data_that_does_not_fit(arrays, code, message):
    result = run("train", write("own.npz", **arrays), "--max-steps", 2)
    assert result.exit_code == code and message in result.stderr and len(result.stderr.splitlines()) == 1
    assert not list(here_files("bpfree-*"))


def here_files(pattern):
    return Path().glob(pattern)


def test_compressed_and_damaged_data_are_refused():
    x, y = blobs()
    np.savez_compressed("own.npz", x=x, y=y)
    assert "write it with numpy.savez" in run("train", "own.npz").stderr
    write("own.npz", x=x, y=y)
    whole = Path("own.npz").read_bytes()
    for data in (b"", whole[:200], whole[:-30], whole[:500] + bytes([whole[500] ^ 1]) + whole[501:]):
        Path("own.npz").write_bytes(data)
        result = run("train", "own.npz")
        assert result.exit_code == 1 and "own.npz: not a data file" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n-queries", 0], "--n-queries: expected an integer in [1, 4096], got 0"),
        (["--mu", "nan"], "--mu: expected a finite number > 0, got nan"),
        (["--grouping", "row"], "--grouping: expected one of 'joint', 'layer', 'tensor', got 'row'"),
        (["--lr", 0], "--lr: expected a finite number > 0, got 0.0"),
        (["--lr", "fast"], "--lr"),
        (["--update", "sgd", "--beta", 0.9], "--beta: expected --update momentum or window_momentum, got"),
        (["--beta2", 0.9, "--update", "momentum"], "--beta2: expected --update adam, got --update momentum"),
        (["--update", "adam", "--beta1", 1], "--beta1: expected a number in [0, 1), got 1.0"),
        (["--update", "adamw"], "--update"),
        (["--estimator", "backprop"], "--estimator"),
        (["--clip", -1], "--clip: expected a finite number > 0, got -1.0"),
        (["--weight-decay", -1], "--weight-decay: expected a finite number > 0, got -1.0"),
        (["--batch-size", 0], "--batch-size: expected an integer in [1, 16777216], got 0"),
        (["--batch-size", 5000], "--batch-size: expected at most the number of samples 1297, got 5000"),
        (["--max-steps", 0], "--max-steps: expected an integer >= 1, got 0"),
        (["--epochs", -1], "--epochs: expected an integer >= 1, got -1"),
        (["--validate-every", 0], "--validate-every: expected an integer >= 1, got 0"),
        (["--seed", -1], "--seed: expected an integer in [0, 4294967295], got -1"),
        (["--seed", 2**32], "--seed: expected an integer in [0, 4294967295], got 4294967296"),
        (["--validation", 1.5], "--validation"),
        (["--loss", "hinge"], "--loss"),
        (["--loss", "mse"], "DATA: expected real numbers of shape (n, 10) for loss mse"),
        (["--model", "absent"], "--model: expected one of mlp, tt, mnist-tt, mnist-dense, or a model"),
        (["--model", "mlp", "--layers", "relu"], "--model, --layers: expected one of them, got both"),
        (["--layers", "linear(8)"], "--layers: expected a network of 10 outputs for the classes of digits, got"),
        (["--layers", "relu"], "--layers: expected trainable parameters, got none"),
        (["--engine", "gpu"], "--engine"),
        (["--out", "absent/x.npz"], "--out: the folder absent does not exist"),
        (["--out", "."], "--out"),
        (["--plot", "absent/x.png"], "--plot: the folder absent does not exist"),
        (["--json", "absent/x.json"], "--json: the folder absent does not exist"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_wrong_options_are_named_before_anything_runs(arguments, message):
    result = run("train", "digits", *arguments)
    told = re.sub(r"Invalid value for '?(.+?)'?: ", r"\1: ", result.stderr)
    assert result.exit_code == 2 and message in told and len(told.splitlines()) == 1
    assert told.startswith("bpfree train: ") and not list(here_files("*"))


def test_a_mistake_in_the_layers_is_marked():
    result = run("train", "digits", "--layers", "linear(32) rleu linear(10)")
    line, text, marks = result.stderr.splitlines()
    assert result.exit_code == 2 and "got 'rleu' (bpfree train --help)" in line
    assert text[marks.index("^") :].startswith("rleu")


@pytest.mark.parametrize("name", ["own.npz", "notes.txt"])
def test_nothing_but_a_model_is_overwritten(name):
    write("own.npz", x=blobs()[0], y=blobs()[1])
    Path("notes.txt").write_text("notes")
    before = Path(name).read_bytes()
    result = run("train", "digits", "--max-steps", 1, "--out", name)
    assert result.exit_code == 2 and "exists and is not a bpfree model" in result.stderr
    assert Path(name).read_bytes() == before


def test_a_run_that_fails_ends_with_1_and_saves_its_model():
    told = document("digits", "--update", "sgd", "--lr", 1e30, "--max-steps", 5, "--no-floor", code=1)
    assert "try a smaller lr" in told["outcome"] and told["steps"] < 5
    assert bf.Model.load("bpfree-digits.npz").hash == told["hash"]


def test_plots(monkeypatch):
    pytest.importorskip("matplotlib")
    told = document("digits", "--max-steps", 3, "--plot", "run.png", "--no-floor")
    assert told["files"]["plot"] == "run.png" and Path("run.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setitem(sys.modules, "matplotlib.backend_bases", None)
    result = run("train", "digits", "--max-steps", 3, "--plot", "other.png", "--out", "other.npz")
    assert result.exit_code == 2 and 'pip install "bpfree[plot]"' in result.stderr
    assert not list(here_files("other*"))


def test_ctrl_c_saves_what_was_trained_and_says_how_to_go_on():
    code, out, err = interrupted(1)
    assert code == 130 and "Traceback" not in err and "ending after this step" in err
    steps = int(re.search(r"interrupted by Ctrl-C after step ([\d,]+)", out).group(1))
    assert steps > 0
    trained = bf.Model.load("bpfree-digits.npz")
    line = out.split("\nnext\n")[1].splitlines()[0]
    assert line.strip().startswith("bpfree train digits --model bpfree-digits.npz --seed 1")
    assert f"{trained.hash}" in out and run(*shlex.split(line)[1:], "--max-steps", 1).exit_code == 0


def test_the_second_ctrl_c_does_not_wait():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), asked_to_stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


WITHOUT_CORE = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name == "bpfree._core":
            raise ModuleNotFoundError("No module named 'bpfree._core'", name=name)

sys.meta_path.insert(0, Nothing())
from bpfree.cli import main
main(prog_name="bpfree")
"""


def without_core(*arguments):
    return subprocess.run([sys.executable, "-c", WITHOUT_CORE, *arguments], capture_output=True, text=True)


def test_without_the_compiled_core():
    done = without_core("train", "digits", "--engine", "compiled", "--max-steps", "1")
    assert done.returncode == 1 and "Build it with" in done.stderr and len(done.stderr.splitlines()) == 1
    done = without_core("train", "digits", "--max-steps", "1", "--n-queries", "2", "--no-floor", "--json", "-")
    assert done.returncode == 0 and json.loads(done.stdout)["steps"] == 1
    done = without_core("doctor")
    assert done.returncode == 0 and "missing bpfree._core" in done.stdout and "nothing is broken" in done.stdout


def test_training_options_follow_the_tables():
    options = {p.name: p for p in train_command.params if isinstance(p, click.Option)}
    for kinds in (training_options.ESTIMATOR_KINDS, training_options.UPDATE_KINDS):
        for settings in kinds.values():
            for field in fields(settings):
                assert field.name in options, f"no option for {settings.__name__}.{field.name}"
                assert field.name in training_options.HELP, f"say in HELP what {field.name} means"
    estimator, update = (
        {f.name for settings in kinds.values() for f in fields(settings)}
        for kinds in (training_options.ESTIMATOR_KINDS, training_options.UPDATE_KINDS)
    )
    assert not estimator & update, "one option would stand for two things"


def test_the_options_are_the_arguments_of_python():
    options = {p.name for p in train_command.params if isinstance(p, click.Option)}
    only_in_python = {"model", "data", "batches", "state", "first_step", "callbacks"}
    missing = set(inspect.signature(bf.train).parameters) - only_in_python - options
    assert not missing, f"bpfree train lacks {sorted(missing)}"
    defaults = {name: p.default for name, p in inspect.signature(bf.train).parameters.items()}
    for parameter in train_command.params:
        if parameter.name in ("seed", "validate_every", "checkpoint_every", "resume"):
            assert parameter.default == defaults[parameter.name]


def test_one_option_of_every_kind_is_made():
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Settings:
        one_flag: bool = True
        number: float | str = 1.0
        count: int = 3

    @click.command()
    def command(**given):
        click.echo(json.dumps(given))

    for name in ("one_flag", "number", "count"):
        command = training_options._field_option(name, {"settings": Settings}, "x")(command)
    told = json.loads(CliRunner().invoke(command, ["--no-one-flag", "--number", "dim", "--count", "4"]).output)
    assert told == {"one_flag": False, "number": "dim", "count": 4}
    assert json.loads(CliRunner().invoke(command, ["--number", "2"]).output)["number"] == 2.0
    assert "[settings 3]" in CliRunner().invoke(command, ["--help"]).output


@pytest.mark.parametrize(("engine", "executor"), [("compiled", "Threads"), ("exact", "Processes")])
def test_workers_change_no_bit(engine, executor, monkeypatch):
    given = ("digits", "--max-steps", 3, "--no-floor", "--engine", engine, "--validate-every", 2)
    alone, used = document(*given), []
    gather = getattr(bf, executor)._gather
    monkeypatch.setattr(getattr(bf, executor), "_gather", lambda self, job: used.append(self) or gather(self, job))
    shared = document(*given, "--workers", 2)
    assert len(used) >= 3 and used[0].n_workers == 2
    assert shared["hash"] == alone["hash"] and shared["history"]["validation"][0]["value"] == (
        alone["history"]["validation"][0]["value"]
    )
    assert run("train", "digits", "--workers", 0).exit_code == 2


def test_ratios_are_computed_of_the_model_and_the_data():
    common = ("digits", "--model", "tt", "--estimator", "cge", "--fraction", 0.02, "--max-steps", 3, "--seed", 2,
              "--no-floor")  # fmt: skip
    told = document(*common, "--ratios", "grasp", "--mask-refresh", 2)
    model = bf.Sequential(64, [bf.TTLinear(32, rank=6), bf.ReLU(), bf.Linear(10)], seed=2)
    shares = bf.layer_ratios("grasp", model, DIGITS.train, fraction=0.02, seed=2)
    assert f"mask_refresh=2, ratios={shares}" in told["settings"]["estimator"]
    assert "ratios='erk'" in document(*common, "--ratios", "erk")["settings"]["estimator"]
    assert run("train", *common[:5], "--ratios", "grasp").exit_code == 2  # of all coordinates
    assert run("train", "digits", "--ratios", "grasp").exit_code == 2  # of rge


def test_calibrate_is_that_of_python():
    arguments = ("--calibrate", "--estimator", "unitwise", "--epochs", "1", "--no-floor", "--seed", "4")
    result = json.loads(run("train", "digits", *arguments, "--json", "-").stdout)
    model = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=4)
    found = bf.calibrate(model, DIGITS.train, estimator=bf.UnitWise(), update=bf.Adam(), seed=4)
    settings = result["settings"]
    assert (settings["estimator"], settings["update"]) == (repr(found.estimator), repr(found.update))
    assert settings["calibration"] == {"mu": found.mu, "lr": found.lr, "forwards": found.forwards, "advice": ""}


@pytest.mark.parametrize("name", ["mu", "lr"])
def test_calibrate_or_a_number(name):
    result = run("train", "digits", "--calibrate", f"--{name}", "0.1")
    assert result.exit_code == 2 and f"--{name}, --calibrate: expected one of them, got both" in result.stderr
