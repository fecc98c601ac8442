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


def another_model(path) -> bytes:
    """Save a model of another run; return the bytes of its file."""
    bf.Sequential(3, [bf.Linear(2)], seed=9).save(path)
    return Path(path).read_bytes()


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
    assert commands == ["bpfree train digits --update sgd --max-steps 60 --calibrate", "bpfree replay j"]
    assert "the model given back is the one that the run began with" in flat(result) and "run.model" not in flat(result)
    assert "bpfree-digits.npz (the model that the run began with)" in flat(result)
    for line in commands:
        assert run(*shlex.split(line)[1:]).exit_code == 0, line
    assert run("info", "j").stdout.count("the loss has exploded") == 1


def test_a_run_that_diverged_leaves_the_good_model_of_an_earlier_one_alone():
    learnt = document("digits", "--estimator", "unit_wise", "--update", "adam", "--max-steps", 200, "--no-floor")
    before = Path("bpfree-digits.npz").read_bytes()
    result = run("train", *LOST)
    assert result.exit_code == 1 and "bpfree-digits.npz (left as it was, as this run has nothing better" in flat(result)
    assert Path("bpfree-digits.npz").read_bytes() == before
    assert bf.Model.load("bpfree-digits.npz").hash == learnt["hash"]
    assert next_lines(result) == ["bpfree train digits --update sgd --max-steps 60 --calibrate"]
    told = document(*LOST, "--no-floor", code=1)
    assert told["files"]["model"] is None and "run.model" not in told["outcome"] and told["hash"] != learnt["hash"]


def test_a_model_that_is_as_it_was_replaces_none_and_is_not_offered():
    before = another_model("kept.npz")
    result = run("train", "digits", "--out", "kept.npz", "--max-steps", 20, "--update", "sgd", "--mu", 1e-30)
    assert "kept.npz (left as it was" in flat(result) and Path("kept.npz").read_bytes() == before
    assert [line.split()[1] for line in next_lines(result)] == ["train"]


def test_a_run_that_went_back_to_its_best_validated_model_saves_it():
    before = another_model("bpfree-digits.npz")
    result = run(
        "train", "digits", "--update", "momentum", "--lr", 0.1, "--max-steps", 100, "--validate-every", 1,
        "--estimator", "rge", "--n-queries", 8, "--batch-size", 32, "--no-floor",
    )  # fmt: skip
    assert result.exit_code == 1 and "the model given back is the best validated, accuracy" in flat(result)
    assert "bpfree-digits.npz (replaced)" in flat(result) and Path("bpfree-digits.npz").read_bytes() != before
    assert any(line.startswith("bpfree evaluate") for line in next_lines(result))


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


def test_a_run_that_was_merely_short_is_told_to_go_on():
    x, other = np.random.default_rng(0).uniform(-1, 1, (2, 4000, 1))
    np.savez("wave.npz", x=np.hstack([x, other]), y=np.sin(3 * x) * other)
    settings = ("wave.npz", "--layers", "linear(16) tanh linear(outputs)", "--update", "sgd", "--estimator", "rge",
                "--n-queries", 8, "--lr", 0.01, "--batch-size", 32, "--validation", 0)  # fmt: skip
    result = run("train", *settings, "--max-steps", 20)
    assert "that of a constant answer: try more steps, as the loss is still falling" in flat(result)
    again = shlex.split(next_lines(result)[0])
    assert again[-2:] == ["--max-steps", "200"] and again[1:-2] == ["train", *map(str, settings)]


def test_a_perfect_fit_ends_with_0():
    x = np.random.default_rng(0).uniform(-1, 1, (4000, 2))
    np.savez("const.npz", x=x, y=np.full(4000, 3.5))
    result = run("train", "const.npz", "--layers", "linear(outputs)", "--estimator", "unit_wise", "--update", "sgd",
                 "--lr", 0.1, "--epochs", 20, "--seed", 1)  # fmt: skip
    assert result.exit_code == 0 and "nothing is left to learn" in flat(result) and "larger mu" not in flat(result)
    assert [line.split()[1] for line in next_lines(result)] == ["evaluate", "info", "export"]


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
