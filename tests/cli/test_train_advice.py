"""`bpfree train` of a model that is worth little: it is said, the next command tries again, and none exports it."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from command_line import DIGITS, document, run

import bpfree as bf
from bpfree.cli.train_advice import another_try

LOST = ("digits", "--update", "sgd", "--lr", 1, "--max-steps", 60)


def next_lines(result):
    return [line.strip() for line in result.stdout.split("\nnext\n")[1].splitlines()]


def flat(result):
    """What the table says, without its borders and line ends."""
    return " ".join(result.stdout.replace("│", " ").split())


def test_a_run_that_diverged_ends_with_1_and_is_not_offered_for_export():
    result = run("train", *LOST, "--journal", "j")
    assert result.exit_code == 1
    start = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=0)
    assert "the loss has exploded, 2.384 -> " in flat(result) and "try a smaller lr" in flat(result)
    assert bf.Model.load("bpfree-digits.npz").hash == start.hash
    commands = next_lines(result)
    assert not any("export" in line for line in commands)
    assert commands[0] == "bpfree train digits --update sgd --max-steps 60 --calibrate"
    for line in commands:
        assert run(*shlex.split(line)[1:]).exit_code == 0, line
    assert run("info", "j").stdout.count("the loss has exploded") == 1


def test_a_run_that_ends_before_it_is_known_to_diverge_is_not_offered_for_export_either():
    result = run("train", *LOST[:-1], 12)
    assert result.exit_code == 0 and "outcome │ done" in " ".join(result.stdout.split())
    assert "the loss has risen, 2.384 -> " in flat(result) and "try a smaller lr" in flat(result)
    assert not any("export" in line for line in next_lines(result))


def test_the_journal_of_a_run_that_diverged_is_replayed_to_the_model_that_was_saved():
    told = document(*LOST, "--journal", "j", "--no-floor", code=1)
    assert told["outcome_code"] == "diverged"
    result = run("replay", "j")
    assert result.exit_code == 0 and "went back" in result.stdout and "to step 0: the one that the run" in flat(result)
    assert bf.Model.load("j.npz").hash == told["hash"]
    there = run("replay", "j", "--to-step", told["steps"], "--out", "lost.npz")
    assert there.exit_code == 0 and "went back" not in there.stdout
    assert np.abs(bf.Model.load("lost.npz").theta).max() > 100


def test_a_run_below_its_floor_says_so_and_what_to_try():
    result = run("train", "digits", "--lr", 1, "--max-steps", 60)
    assert result.exit_code == 0, "it has done what it was asked"
    assert "does not reach its floor, 0.8533: more is had without training" in flat(result)
    assert "that of a constant answer: try another lr" in flat(result)
    commands = next_lines(result)
    assert commands[0] == "bpfree train digits --max-steps 60 --calibrate"
    assert any(line.startswith("bpfree export firmware") for line in commands), "a poor model is still a model"
    told = document("digits", "--lr", 1, "--max-steps", 60)
    assert told["outcome_code"] == "done" and "test accuracy" in told["advice"] and "floor" in told["advice"]


def test_a_run_that_learns_is_told_nothing():
    told = document("digits", "--estimator", "unit_wise", "--update", "adam", "--max-steps", 400)
    assert told["test"]["accuracy"] > told["floor"]["accuracy"] and told["advice"] == ""


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["train", "digits"], "train digits --calibrate"),
        (["train", "a b.npz", "--lr=1", "--out", "x"], "train 'a b.npz' --out x --calibrate"),
        (["train", "d", "--mu", "1", "--json", "-", "--epochs", "3"], "train d --epochs 3 --calibrate"),
        (["train", "d", "--checkpoint", "c", "--resume", "--journal", "j", "--journal-every", "5"],
         "train d --calibrate"),
        (["train", "d", "--lr-schedule", "cosine_decay"], "train d --lr-schedule cosine_decay --calibrate"),
    ],
)  # fmt: skip
def test_another_try_leaves_out_what_is_to_be_found_and_files_that_are_there(typed, expected):
    assert another_try(typed, None, bf.RGE()) == f"bpfree {expected}"


def test_another_try_after_a_calibration_has_a_smaller_lr():
    model = bf.Sequential(64, [bf.Linear(10)], seed=0)
    found = bf.calibrate(model, DIGITS.train, estimator=bf.RGE(4), update=bf.SGD(), batch_size=32)
    line = another_try(["train", "digits", "--calibrate"], found, bf.RGE())
    assert line == f"bpfree train digits --mu {found.mu:g} --lr {found.lr / 4:g}"
    assert another_try(["train", "digits"], None, bf.CoordinateDescent()) is None, "which has no lr"


@pytest.mark.parametrize("lr", [1, 1e15], ids=["above the bound", "into infinity"])
def test_the_checkpoint_of_a_run_that_diverged_is_not_taken_for_a_model_of_use(lr):
    """The model at --out is the one the run began with; the checkpoint is of its last step."""
    result = run("train", *LOST[:-3], lr, "--max-steps", 60, "--checkpoint", "c.npz", "--out", "out.npz")
    assert result.exit_code == 1 and bf.Model.load("c.npz").hash != bf.Model.load("out.npz").hash
    for command in (("onnx", "c.npz", "c.onnx"), ("firmware", "c.npz", "fw")):
        refused = run("export", *command)
        assert refused.exit_code == 1 and "c.npz: a checkpoint of a run that diverged, loss " in refused.output
        assert not Path(command[-1]).exists() and run("export", command[0], "out.npz", command[-1]).exit_code == 0
    assert "a run that diverged" in flat(run("evaluate", "c.npz", "digits"))
    assert "a run that diverged" not in flat(run("evaluate", "out.npz", "digits"))
    assert "its run diverged" in flat(run("info", "c.npz"))


def test_the_checkpoint_of_a_run_in_order_is_a_model():
    assert run("train", "digits", "--max-steps", 20, "--checkpoint", "c.npz").exit_code == 0
    assert "diverged" not in run("info", "c.npz").stdout + run("evaluate", "c.npz", "digits").stdout
    assert run("export", "onnx", "c.npz", "c.onnx").exit_code == 0
