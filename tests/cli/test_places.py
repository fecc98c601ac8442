"""No command writes two files to one place, or to that of a file it reads: it says so before it does anything."""

import itertools
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import run

import bpfree as bf
from bpfree.cli import main
from bpfree.cli.bench import bench
from bpfree.cli.train import train

OWN = "def own(outputs, targets):\n    return ((outputs - targets) ** 2).mean(1)\n"
FILES = ("--checkpoint", "--journal", "--out", "--plot", "--json")


@pytest.fixture(autouse=True)
def there(here):
    """A model, a journal with its first model, data, and a loss of one's own."""
    Path("own.py").write_text(OWN)
    bf.Sequential(64, [bf.Linear(10)], seed=0).save("m.npz")
    assert run("train", "digits", "--model", "m.npz", "--journal", "j", "--max-steps", 2, "--no-floor").exit_code == 0
    Path("sub").mkdir()
    Path("link.png").symlink_to("x.png")


def refused(*arguments):
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    result = run(*arguments)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1, result.output
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before
    return result.stderr


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(FILES, 2)))
@pytest.mark.parametrize("again", ["x.png", "sub/../x.png", "link.png", "{}/x.png"])
def test_every_pair_of_outputs_of_train(one, other, again):
    arguments = ("train", "digits", "--max-steps", 2, one, "x.png", other, again.format(Path().resolve()))
    assert "expected another file than that of --" in refused(*arguments)


def test_these_are_all_files_that_train_writes():
    assert {p.opts[0] for p in train.params if getattr(p.type, "written", False)} == set(FILES)


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "digits", "--json", "bpfree-digits.npz"),
        ("train", "digits", "--journal", "k", "--checkpoint", "k.start.npz"),
        ("train", "digits", "--journal", "k", "--json", "k.start.npz"),
        ("train", "digits", "--model", "m.npz", "--json", "m.npz"),
        ("train", "digits", "--model", "m.npz", "--checkpoint", "m.npz", "--resume"),
        ("train", "digits", "--rows", "own.py", "--json", "own.py"),
        ("replay", "j", "--out", "j"),
        ("replay", "j", "--json", "j"),
        ("replay", "j", "--out", "j.start.npz"),
        ("replay", "j", "--json", "j.start.npz"),
        ("replay", "j", "--json", "j.npz"),
        ("replay", "j", "m.npz", "--out", "m.npz"),
        ("info", "m.npz", "--json", "m.npz"),
        ("info", "j", "--json", "./j"),
        ("evaluate", "m.npz", "digits", "--json", "m.npz"),
        ("export", "onnx", "m.npz", "m.npz"),
        ("export", "onnx", "m.npz", "m.onnx", "--json", "m.onnx"),
        ("export", "firmware", "m.npz", "sub", "--json", "sub/model.h"),
        ("solve", "poisson", "--save", "u.png", "--plot", "u.png"),
        ("solve", "poisson", "--save", "u.npz", "--json", "u.npz"),
        ("bench", "estimators", "--csv", "b.png", "--plot", "b.png"),
        ("bench", "estimators", "--csv", "b", "--json", "b"),
    ],
    ids=" ".join,
)
def test_outputs_of_every_command(arguments):
    assert "expected a" in refused(*arguments) and "got " in refused(*arguments)


def test_every_command_is_asked():
    """By the class of all commands; what they write has the type that is looked for."""
    context = main.make_context("bpfree", ["doctor"])
    for name in main.list_commands(context):
        for parameter in getattr(main.get_command(context, name), "params", ()):
            if "FILE" in (parameter.metavar or "") and "File for" in (getattr(parameter, "help", "") or ""):
                assert parameter.type.written, (name, parameter.name)


def test_what_many_may_write_to_is_no_clash():
    told = run("train", "digits", "--max-steps", 2, "--no-floor", "--out", os.devnull, "--json", os.devnull)
    assert told.exit_code == 0, told.output


def test_a_model_is_replaced_by_what_it_becomes():
    before = bf.Model.load("m.npz").hash
    told = run("train", "digits", "--model", "m.npz", "--out", "m.npz", "--max-steps", 2, "--no-floor", "--json", "-")
    assert bf.Model.load("m.npz").hash == json.loads(told.stdout)["hash"] != before


def test_json_of_a_bench_replaces_the_old_one_only_when_it_is_whole(monkeypatch):
    def fail(name, quick):
        raise RuntimeError

    Path("rows.json").write_text("old")
    monkeypatch.setattr("bpfree.cli.bench.run_bench", fail)
    assert isinstance(CliRunner().invoke(bench, ["engine", "--json", "rows.json"]).exception, RuntimeError)
    assert Path("rows.json").read_text() == "old"
