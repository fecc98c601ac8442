# SPDX-License-Identifier: MIT
"""`bpfree train` interrupted and resumed, its budgets and schedules; `replay`, and `info` of the files it leaves."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import signal
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from command_line import DIGITS, document, interrupted, run

import bpfree as bf
from bpfree.bench import mnist_tt
from bpfree.cli import recipes, schedule_options
from bpfree.cli.data import Data, load
from bpfree.cli.networks import build as build_network
from bpfree.cli.train import train as train_command
from bpfree.cli.training_options import build
from bpfree.datasets import DATASETS
from bpfree.journal.file import JournalFile
from bpfree.schedules import SCHEDULES

SHORT = ("digits", "--no-floor", "--n-queries", 2)
KEPT = ("--checkpoint", "run.ckpt", "--journal", "run.journal", "--checkpoint-every", 5)


def mlp(seed=0):
    return bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=seed)


def test_a_run_in_two_parts_is_the_run_in_one():
    document(*SHORT, "--max-steps", 12, *KEPT, "--validate-every", 4)
    told = document(*SHORT, "--max-steps", 20, *KEPT, "--validate-every", 4, "--resume")
    names = [("one.ckpt" if part == "run.ckpt" else "one.journal" if part == "run.journal" else part) for part in KEPT]
    whole = document(*SHORT, "--max-steps", 20, *names, "--validate-every", 4, "--out", "one.npz")
    same = ("hash", "steps", "loss", "forwards", "evaluations", "best")
    assert [told[name] for name in same] == [whole[name] for name in same]
    assert Path("run.journal").read_bytes() == Path("one.journal").read_bytes()
    assert told["files"]["checkpoint"] == "run.ckpt" and told["files"]["journal"] == "run.journal"


def test_resume_begins_where_there_is_no_checkpoint():
    assert document(*SHORT, "--max-steps", 3, *KEPT, "--resume")["steps"] == 3


def test_ctrl_c_and_the_command_it_advises_is_the_run_without_it():
    arguments = ("--no-floor", "--n-queries", "2", *map(str, KEPT))
    code, out, err = interrupted(1, *arguments)
    assert code == 130 and "Traceback" not in err
    steps = int(re.search(r"interrupted by Ctrl-C after step ([\d,]+)", out).group(1).replace(",", ""))
    line = out.split("\nnext\n")[1].splitlines()[0]
    assert line.strip().startswith("bpfree train digits") and line.endswith("--resume")
    assert run("info", "run.journal").exit_code == run("info", "run.ckpt").exit_code == 0
    told = json.loads(run(*shlex.split(line)[1:], "--max-steps", steps + 5, "--json", "-").stdout)
    whole = document(*SHORT, "--max-steps", steps + 5, "--out", "whole.npz")
    assert told["steps"] == steps + 5 and told["hash"] == whole["hash"]
    assert json.loads(run("replay", "run.journal", "--json", "-").stdout)["hash"] == whole["hash"]


def test_ctrl_c_twice_leaves_both_files_whole_and_says_how_to_go_on():
    code, _, err = interrupted(2, "--no-floor", *map(str, KEPT))
    assert code in (130, -signal.SIGINT) and "Traceback" not in err  # the second may arrive while Python exits
    if "continue with: " in err:  # the step may end between the two
        assert err.split("continue with: ")[1].splitlines()[0].endswith("--resume")
    told = json.loads(run("info", "run.ckpt", "--json", "-").stdout)
    assert told["steps"] == json.loads(run("info", "run.journal", "--json", "-").stdout)["steps"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume"], "--resume: expected --checkpoint FILE as well"),
        (["--checkpoint", "x", "--journal", "x"], "--journal: expected another file than that of --checkpoint, got x"),
        (["--checkpoint", "x", "--checkpoint-every", 0], "--checkpoint-every: expected an integer >= 1, got 0"),
        (["--journal-every", 3], "--journal-every: expected --journal FILE as well"),
        (["--patience", 0], "--patience: expected an integer >= 1, got 0"),
        (["--max-forwards", 0], "--max-forwards: expected a finite number > 0, got 0.0"),
        (["--max-evaluations", "nan"], "--max-evaluations: expected a finite number > 0, got nan"),
        (["--direction", "up"], "--direction: expected one of 'rademacher'"),
        (["--fraction", 0.5], "--fraction: expected --estimator cge or coordinate_descent, got --estimator rge"),
        (["--estimator", "cge", "--fraction", 2], "--fraction: expected a number in (0, 1], got 2.0"),
        (["--estimator", "cge", "--n-queries", 2], "--n-queries: expected --estimator rge"),
        (["--lr-schedule", "staircase"], "--lr-schedule"),
        (["--lr-schedule", "exponential_decay"], "--lr-rate: expected a number in (0, 1] as well"),
        (["--lr-schedule", "cosine_decay", "--lr-rate", 0.5], "--lr-rate: expected --lr-schedule exponential"),
        (["--lr-schedule", "power_decay", "--lr-power", 2], "--lr-power: expected a number in (0, 1], got 2.0"),
        (["--lr-stability", 3], "--lr-stability: expected --lr-schedule power_decay, got"),
        (["--update", "window_momentum", "--window", 0], "--window: expected an integer in [1, 4096], got 0"),
        (["--update", "window_momentum", "--normalize"], "--stale, --normalize, --weight-decay: expected none of them"),
        (["--update", "window_momentum", "--stale", 1], "--stale, --normalize, --weight-decay: expected none of them"),
        (["--stale", 0], "--stale: expected a number in (0, 1], got 0.0"),
        (["--stale", 1], "update: Stale is for CGE, whose coefficients are partial derivatives, got rge"),
        (["--estimator", "cge", "--order", "cyclic"], "fraction: expected less than 1 with order='cyclic', got 1"),
        (["--estimator", "cge", "--order", "up"], "--order: expected one of 'random', 'cyclic', got 'up'"),
        (["--update", "window_momentum", "--estimator", "cge"], "got cge: use Momentum there"),
        (["--lr-end", 0.1], "--lr-end: expected --lr-schedule cosine_decay or"),
        (["--lr-schedule", "linear_decay", "--lr-steps", 0], "--lr-steps: expected an integer in [1, 16777216], got 0"),
        (["--lr-schedule", "linear_decay", "--lr-warmup", -1], "--lr-warmup: expected an integer in [0, 16777216]"),
        (["--mu-schedule", "linear_decay"], "--mu-schedule: expected a schedule that stays above 0"),
        (["--model", "m.npz", "--out", "m.npz", "--checkpoint", "x"], "--out: expected another file than --model's"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)  # fmt: skip
def test_wrong_use_is_named_and_nothing_is_written(arguments, message):
    mlp().save("m.npz")
    result = run("train", "digits", *arguments)
    told = re.sub(r"Invalid value for '?(.+?)'?: ", r"\1: ", result.stderr)
    assert result.exit_code == 2 and message in told and len(told.splitlines()) == 1
    assert [path.name for path in Path().iterdir()] == ["m.npz"]


def test_existing_files_are_never_overwritten():
    document(*SHORT, "--max-steps", 3, *KEPT)
    before = {path: path.read_bytes() for path in Path().iterdir()}
    for arguments, message in (
        (KEPT, "run.ckpt: --resume goes on from it"),
        (KEPT[2:4], "run.journal: --resume and its checkpoint go on with it"),
        ((*KEPT, "--resume", "--lr", 0.5), "update.links.0.lr: 0.005 in the checkpoint, 0.5 here"),
        (("--journal", "run.journal", "--seed", 1), "run.journal.start.npz exists and is the first model of another"),
        (("--checkpoint", "run.ckpt", "--resume", "--journal", "absent.journal"), "journal"),
    ):
        result = run("train", *SHORT, "--max-steps", 5, "--out", "other.npz", *arguments)
        assert result.exit_code == 2 and message in result.stderr, result.output
    assert all(path.read_bytes() == data for path, data in before.items())


def test_schedules_are_those_of_python():
    told = document(*SHORT, "--max-steps", 9, "--lr", 0.02, "--lr-schedule", "cosine_decay", "--lr-end", 0.001,
                    "--lr-warmup", 2, "--mu-schedule", "exponential_decay", "--mu-rate", 0.5, "--mu-every", 3,
                    "--mu-end", 0.001)  # fmt: skip
    same = bf.train(
        mlp(), DIGITS.train, batch_size=32, max_steps=9,
        estimator=bf.RGE(2, mu=bf.exponential_decay(2.0**-7, 0.5, every=3, end=0.001)),
        update=bf.Adam(bf.cosine_decay(0.02, steps=9, end=0.001, warmup=2)),
    )  # fmt: skip
    assert told["hash"] == same.model.hash
    forwards = 2 * 2 * 32 * 7 + 1  # seven steps of RGE with two queries, and not one more
    told = document(*SHORT, "--max-forwards", forwards, "--lr-schedule", "linear_decay")
    assert told["steps"] == 7 and "LinearDecay(start=0.005, end=0.0, warmup=0, steps=7)" in told["settings"]["update"]
    assert told["outcome_code"] == "budget" and told["forwards"] == forwards - 1


def test_powers_of_the_steps_start_from_spalls_settings():
    told = document(*SHORT, "--max-steps", 30, "--lr-schedule", "power_decay", "--mu-schedule", "power_decay")
    assert "PowerDecay(start=0.005, end=0.0, warmup=0, power=0.602, stability=3)" in told["settings"]["update"]
    mu = bf.spall_gains(1.0, 2.0**-7)[1]
    assert repr(mu) in told["settings"]["estimator"]
    told = document(*SHORT, "--max-steps", 3, "--lr-schedule", "power_decay", "--lr-power", 0.5, "--lr-stability", 9)
    assert "power=0.5, stability=9" in told["settings"]["update"]


def test_updates_that_see_the_record_are_those_of_python():
    update = ("--update", "window_momentum", "--lr", 0.02, "--beta", 0.8, "--window", 3, "--clip", 2)
    told = document(*SHORT, "--max-steps", 6, *update)
    settings = {"estimator": bf.RGE(2), "batch_size": 32, "max_steps": 6}
    window = bf.chain(bf.clip(2), bf.WindowMomentum(0.02, beta=0.8, window=3))
    assert told["hash"] == bf.train(mlp(), DIGITS.train, update=window, **settings).model.hash
    told = document(*SHORT, "--max-steps", 6, "--update", "sgd", "--lr", 0.02, "--normalize")
    normalised = bf.chain(bf.Normalize(), bf.SGD(0.02))
    assert told["hash"] == bf.train(mlp(), DIGITS.train, update=normalised, **settings).model.hash
    told = document(*SHORT[:-2], "--max-steps", 6, "--estimator", "cge", "--fraction", 0.02, "--order", "cyclic",
                    "--update", "sgd", "--lr", 0.02, "--clip", 2, "--stale", 0.9)  # fmt: skip
    stale = bf.chain(bf.clip(2), bf.Stale(0.9), bf.SGD(0.02))
    settings["estimator"] = bf.CGE(0.02, order="cyclic")
    assert told["hash"] == bf.train(mlp(), DIGITS.train, update=stale, **settings).model.hash


def test_a_schedule_of_a_recipe_is_for_its_own_update(monkeypatch):
    monkeypatch.setitem(recipes.RECIPES, "digits", {"lr_schedule": "cosine_decay", "lr_end": 1e-3, "max_steps": 2})
    assert "CosineDecay(start=0.005, end=0.001" in document(*SHORT)["settings"]["update"]
    for other in (("--update", "sgd"), ("--lr-schedule", "constant")):
        assert "Decay(" not in document(*SHORT, *other)["settings"]["update"]


def test_every_setting_of_a_schedule_has_an_option():
    settings = {field.name for row in SCHEDULES for field in fields(row.settings)}
    assert settings - {"start"} == set(schedule_options._KINDS)


def test_cge_with_a_fraction_and_a_journal_of_snapshots(monkeypatch):
    cge = ("digits", "--no-floor", "--estimator", "cge", "--fraction", 0.01, "--max-steps", 6)
    told = document(*cge, "--journal", "run.journal", "--journal-every", 2)
    same = bf.train(mlp(), DIGITS.train, batch_size=32, max_steps=6, estimator=bf.CGE(0.01), update=bf.Adam(5e-3))
    assert told["hash"] == same.model.hash
    replayed = json.loads(run("replay", "run.journal", "--json", "-").stdout)
    assert replayed["hash"] == told["hash"] and replayed["steps"] == 6
    assert "snapshots only, at 0, 2, 4, 6; got 3" in run("replay", "run.journal", "--to-step", 3).stderr
    monkeypatch.setattr("bpfree.cli.train.SNAPSHOTS", 3)
    document(*cge, "--journal", "other.journal")
    assert [s.step for s in bf.Journal.read("other.journal").snapshots] == [3, 6]


def test_patience_ends_a_run_and_that_is_no_failure():
    told = document(*SHORT, "--max-steps", 200, "--validate-every", 1, "--patience", 2, "--lr", 1e-9)
    assert told["outcome_code"] == "early_stop" and told["steps"] == 3 and told["best"]["step"] == 1
    x, y = DIGITS.train
    np.savez("own.npz", x=x, y=y)
    result = run("train", "own.npz", "--validation", 0, "--patience", 2)
    assert result.exit_code == 2 and "--patience: expected a validation split" in result.stderr


@pytest.fixture
def journal():
    document(*SHORT, "--max-steps", 6, *KEPT)
    return Path("run.journal")


def test_replay_to_a_step_from_a_start_of_ones_own(journal):
    found = json.loads(run("replay", journal, "--to-step", 4, "--out", "four.npz", "--json", "-").stdout)
    same = bf.train(mlp(), DIGITS.train, batch_size=32, max_steps=4, estimator=bf.RGE(2), update=bf.Adam(5e-3))
    assert found["hash"] == same.model.hash == bf.Model.load("four.npz").hash
    Path("run.journal.start.npz").rename("begin.npz")
    result = run("replay", journal)
    assert result.exit_code == 2 and "START: expected the model that the run began with" in result.stderr
    assert run("replay", journal, "begin.npz", "--engine", "exact").exit_code == 0
    mlp(seed=7).save("wrong.npz")
    bf.Sequential(3, [bf.Linear(2)]).save("other.npz")
    for name in ("wrong.npz", "other.npz"):
        result = run("replay", journal, name)
        assert result.exit_code == 2 and "START: expected the one" in result.stderr
    result = run("replay", journal, "begin.npz", "--to-step", 7)
    assert result.exit_code == 2 and "--to-step: expected an integer in [0, 6], got 7" in result.stderr


def test_info_of_a_journal(journal):
    told = json.loads(run("info", journal, "--json", "-").stdout)
    assert (told["kind"], told["journal"], told["steps"], told["records"]) == ("journal", "SCALARS", 6, 6)
    assert told["verified_bytes"] == told["bytes"] == journal.stat().st_size and told["damage"] is None
    assert told["settings"]["estimator"]["n_queries"] == 2 and told["base_hash"] == mlp().hash
    assert [event["text"] for event in told["events"]][-1] == "done"
    (seal,) = told["seals"]
    assert seal["sha256"] == hashlib.sha256(journal.read_bytes()[: seal["bytes"]]).hexdigest()
    assert (seal["step"], told["unsealed_bytes"], told["skips"], told["program_size"]) == (6, 0, [], 1)
    shown = " ".join(run("info", journal).stdout.replace("│", " ").split())
    assert f"sealed {seal['bytes']:,} bytes, up to step 6" in shown and "skipped" not in shown
    assert all(seal["sha256"][at : at + 16] in shown for at in (0, 16, 32, 48))


def test_info_of_a_device_s_log(journal):
    """Steps that were skipped, and records behind the last seal, are shown."""
    written = bf.Journal.read(journal)
    log = bf.Journal(written.base_hash, written.settings, program_size=16)
    log.file = JournalFile.create("device.log", log.header)
    log.append(written.records[0])
    log.seal()
    log.skip(1, 2, "no reading")
    log.append(written.records[2])
    log.file.close()
    told = json.loads(run("info", "device.log", "--json", "-").stdout)
    assert (told["steps"], told["records"], told["skips"]) == (3, 2, [{"step": 1, "text": "no reading"}])
    assert told["seals"][0]["step"] == 1 and told["unsealed_bytes"] == 64 and told["program_size"] == 16
    shown = " ".join(run("info", "device.log").stdout.replace("│", " ").split())
    assert "1 step, the last 1: no reading" in shown and "up to step 1, 64 bytes come after" in shown
    told = json.loads(run("replay", "device.log", "run.journal.start.npz", "--json", "-").stdout)
    assert (told["steps"], told["torn_bytes"]) == (3, 0)


def test_a_truncated_journal_is_read_up_to_the_cut(journal):
    data = journal.read_bytes()
    records = [record.stop for record in _records(data)]
    journal.write_bytes(data[: records[3] + 5])  # in the fifth record
    told = json.loads(run("info", journal, "--json", "-").stdout)
    assert told["steps"] == 4 and told["torn_bytes"] == 5
    assert "bytes of an interrupted write are ignored" in run("replay", journal).stdout
    for length in (0, 5, 40, 100):
        journal.write_bytes(data[:length])
        for command in ("info", "replay"):
            result = run(command, journal)
            assert result.exit_code == 1 and "Traceback" not in result.output and len(result.stderr.splitlines()) == 1


def _records(data):
    from bpfree.journal.format import read_header, read_records

    view = memoryview(data)
    return list(read_records(view, read_header(view)))


def test_a_damaged_journal_says_where_it_breaks(journal):
    data = bytearray(journal.read_bytes())
    third = _records(bytes(data))[2]
    data[third.at + 17] ^= 1
    journal.write_bytes(data)
    result = run("info", journal)
    assert result.exit_code == 1 and f"byte {third.at}: the record is damaged" in " ".join(result.stdout.split())
    told = json.loads(run("info", journal, "--json", "-").stdout)
    assert told["steps"] == 2 and told["verified_bytes"] == third.at
    result = run("replay", journal)
    assert result.exit_code == 1 and f"byte {third.at}" in result.stderr and not Path("run.journal.npz").exists()


def test_info_of_a_checkpoint(journal):
    told = json.loads(run("info", "run.ckpt", "--json", "-").stdout)
    model = bf.Model.load("bpfree-digits.npz")
    assert (told["kind"], told["steps"], told["hash"]) == ("checkpoint", 6, model.hash)
    assert told["forwards"] == 6 * 4 * 32 and told["evaluations"] == 24
    assert told["settings"]["seed"] == 0 and told["journal_bytes"] <= journal.stat().st_size


def test_checkpoints_and_journals_of_other_versions_say_what_to_do(journal):
    with np.load("run.ckpt") as file:
        good = dict(file)
    about = json.loads(str(good["checkpoint"]))
    np.savez("old.npz", **good | {"checkpoint": json.dumps({**about, "version": 1})})
    data = bytearray(journal.read_bytes())
    data[8:12] = (1).to_bytes(4, "little")
    Path("old.journal").write_bytes(data)
    for arguments in (("info", "old.npz"), ("info", "old.journal"), ("replay", "old.journal", "run.journal.start.npz")):
        result = run(*arguments)
        assert result.exit_code == 1 and "version: expected 2, got 1: read it with the bpfree that" in result.stderr


def test_damaged_and_foreign_files_are_one_line(journal):
    for name in ("run.ckpt", "bpfree-digits.npz"):
        data = Path(name).read_bytes()
        for cut in (0, 10, 200, len(data) // 2, len(data) - 3):
            Path("cut.npz").write_bytes(data[:cut])
            result = run("info", "cut.npz")
            assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1 and "cut.npz" in result.stderr
        for at in range(40, len(data), max(1, len(data) // 60)):
            Path("cut.npz").write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
            result = run("info", "cut.npz")
            assert result.exit_code in (0, 1) and (result.exception is None or isinstance(result.exception, SystemExit))
    np.savez("odd.npz", theta=np.zeros(3), checkpoint="[1, 2]", losses=np.zeros(1), history=np.zeros(7), records=0)
    assert "odd.npz: not a bpfree checkpoint" in run("info", "odd.npz").stderr
    Path("notes.txt").write_text("notes")
    assert "notes.txt: not a bpfree model" in run("info", "notes.txt").stderr
    Path("run.ckpt").write_bytes(b"PK nothing")
    result = run("train", *SHORT, "--max-steps", 9, *KEPT, "--resume")
    assert result.exit_code == 1 and "run.ckpt: not a bpfree checkpoint" in result.stderr


def test_every_data_set_has_a_recipe_that_fits():
    assert set(recipes.RECIPES) == set(DATASETS)
    shapes = {"digits": 64, "mnist": 784, "fashion_mnist": 784, "fsdd": 256, "twristar": 384}
    nothing = dict.fromkeys(parameter.name for parameter in train_command.params)
    for name, row in DATASETS.items():
        labels = np.arange(len(row.classes))
        data = Data(name, {"train": (np.zeros((len(labels), shapes[name]), np.float32), labels)})
        values = recipes.recipe(name)
        assert build_network(data, values["model"], None, 0).graph.n_theta > 0
        build(nothing, values, lambda estimator, update: 10, None)
        assert any(name in values for name in recipes._BUDGETS)
        assert set(values) - set(nothing) == set()


def test_mnist_has_the_settings_of_the_bench():
    """README says that `bpfree train mnist` is the bench's row."""
    values, recipe = recipes.recipe("mnist"), mnist_tt.CONTEST.recipe
    best = {method.name: method.estimator for method in mnist_tt.CONTEST.methods}[mnist_tt.CONTEST.best]
    nothing = dict.fromkeys(parameter.name for parameter in train_command.params)
    estimator, update = build(nothing, values, lambda estimator, update: 4000, None)
    assert (estimator, update) == (best, recipe.update(recipe.rate(4000)))
    assert (values["batch_size"], values["epochs"]) == (recipe.batch_size, recipe.epochs)
    data = Data("mnist", {"train": (np.zeros((10, 784), np.float32), np.arange(10))})
    assert np.array_equal(build_network(data, values["model"], None, 5).theta, mnist_tt.network(5).theta)


def test_it_says_whom_the_test_split_is_of():
    row = DATASETS["twristar"]
    assert row.tested == "another wearer", "as the loader's default has it"
    assert "300 test (the same writers)\n" in run("train", "digits", "--max-steps", 1, "--no-floor").output


@pytest.mark.data("mnist")
def test_named_data_have_their_own_validation_split():
    sizes = {split: len(x) for split, (x, _) in load("mnist").splits.items()}
    assert sizes == {"train": 50000, "validation": 10000, "test": 10000}


def test_missing_data_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.delenv("BPFREE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    result = run("train", "mnist")
    assert result.exit_code == 1 and "What to do: download" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("start", [(), ("start.npz",)], ids=["no start", "start"])
def test_replay_of_a_file_that_is_no_journal_says_that_first(start):
    Path("a.txt").write_text("notes of a run, which are not its journal " * 9)
    Path("start.npz").write_bytes(b"not a model")
    result = run("replay", "a.txt", *start)
    assert result.exit_code == 1 and result.stderr == "bpfree replay: a.txt: not a bpfree journal\n"


def test_replay_of_a_journal_without_its_start_asks_for_it():
    run("train", *SHORT, "--max-steps", 3, "--journal", "run.journal")
    Path("run.journal.start.npz").unlink()
    result = run("replay", "run.journal")
    assert result.exit_code == 2
    assert "START: expected the model that the run began with, got none: run.journal.start.npz" in result.stderr
