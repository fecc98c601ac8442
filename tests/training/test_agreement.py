"""The arrays of a checkpoint are of one moment of one run: others are refused, whatever their sizes and CRCs."""

import json
import shutil

import numpy as np
import pytest
from command_line import run as command
from killed_run import results, run

from bpfree.errors import FormatError

ALONE = {"journal": None, "journal_every": None}


def load(path):
    with np.load(path) as file:
        return dict(file)


def save(path, arrays):
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def without_crcs(arrays, **changed):
    """As checkpoints of before were, which are read all the same."""
    document = json.loads(str(arrays["checkpoint"]))
    del document["arrays"], document["crc"]
    document |= changed
    return {**arrays, "checkpoint": json.dumps(document)}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The arrays of two checkpoints of one run, after 40 and after 48 steps, without a journal's file."""
    folder = tmp_path_factory.mktemp("two")
    run(folder, "adam", max_steps=40, **ALONE)
    early = load(folder / "run.ckpt")
    run(folder, "adam", max_steps=48, **ALONE)
    return early, load(folder / "run.ckpt")


@pytest.mark.parametrize("name", ["theta", "state", "losses", "history", "best", "records"])
def test_an_array_of_another_checkpoint_is_refused(tmp_path, two, name):
    early, late = two
    assert early[name].tobytes() != late[name].tobytes()
    save(tmp_path / "run.ckpt", {**late, name: early[name]})
    with pytest.raises(FormatError, match=rf"run.ckpt: not a bpfree checkpoint: {name}: expected CRC"):
        run(tmp_path, "adam", **ALONE)
    told = command("info", tmp_path / "run.ckpt")
    assert told.exit_code == 1 and f"{name}: expected CRC" in told.stderr and told.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("losses", r"records: expected as many as losses of steps that were made \(40 losses\), got 48"),
        ("records", r"records: expected as many as losses of steps that were made \(48 losses\), got 40"),
    ],
)
def test_without_crcs_lengths_are_compared(tmp_path, two, name, message):
    early, late = two
    save(tmp_path / "run.ckpt", without_crcs({**late, name: early[name]}))
    with pytest.raises(FormatError, match=message):
        run(tmp_path, "adam", **ALONE)
    assert command("info", tmp_path / "run.ckpt").exit_code == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda a: {"history": a["history"][::-1]}, "history: expected steps that grow from 1 to 48"),
        (lambda a: {"history": a["history"] + [[8.0, 0, 0, 0, 0]]}, "history: expected steps that grow from 1 to 48"),
        (lambda a: {"history": a["history"] + [[0, 0.5, 0, 0, 0]]}, "best: expected one of the validations"),
        (lambda a: {"theta": a["theta"] * np.float32(np.nan)}, "theta: expected finite numbers"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path, two, wrong, message):
    save(tmp_path / "run.ckpt", without_crcs({**two[1], **wrong(two[1])}))
    with pytest.raises(FormatError, match=message):
        run(tmp_path, "adam", **ALONE)


def test_a_checkpoint_of_before_goes_on_as_before(tmp_path, two):
    save(tmp_path / "run.ckpt", without_crcs(two[1]))
    done = run(tmp_path, "adam", **ALONE)
    (tmp_path / "other").mkdir()
    whole = run(tmp_path / "other", "adam", **ALONE)
    assert results(done) == results(whole)


@pytest.mark.parametrize("crcs", [True, False])
def test_losses_and_the_journals_file_are_compared_before_it_is_cut(tmp_path, crcs):
    run(tmp_path, "adam", max_steps=40)
    early = load(tmp_path / "run.ckpt")
    run(tmp_path, "adam", max_steps=48)
    late = load(tmp_path / "run.ckpt")
    shutil.copy(tmp_path / "run.journal", tmp_path / "kept")
    mixed = {**late, "losses": early["losses"], "history": early["history"], "best": np.zeros(0, "f4")}
    save(tmp_path / "run.ckpt", mixed if crcs else without_crcs(mixed, best=None))
    message = "losses: expected CRC" if crcs else "expected step 40 next, by the checkpoint's losses, got 48"
    with pytest.raises(FormatError, match=message):
        run(tmp_path, "adam")
    assert (tmp_path / "run.journal").read_bytes() == (tmp_path / "kept").read_bytes()


@pytest.mark.parametrize("changed", [{"bound": -1.0}, {"counts": [0, 1, 2, 3.0]}, {"best": None}])
def test_numbers_beside_the_arrays_have_a_crc_too(tmp_path, two, changed):
    document = json.loads(str(two[1]["checkpoint"])) | changed
    save(tmp_path / "run.ckpt", {**two[1], "checkpoint": json.dumps(document)})
    with pytest.raises(FormatError, match="checkpoint: expected CRC .* as its numbers were written"):
        run(tmp_path, "adam", **ALONE)
