"""A run that is cut off anywhere and goes on gives what the undisturbed run gives, to the last bit and byte."""

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import killed_run
import numpy as np
import pytest
from killed_run import CASES, STEPS, results, run

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.training.files import RunFiles

MOMENTS = ["record:1", "draft:1", "replaced:1", "step:3", "record:20", "draft:4", "replace:5", "replaced:5", "step:59"]


def program(folder, case, moment):
    """killed_run.py; its results, or None when it was killed."""
    command = [sys.executable, killed_run.__file__, str(folder), case, moment]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(killed_run.__file__).parent)
    if moment != "never":
        assert done.returncode == -signal.SIGKILL, done.stderr
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """undisturbed(case): results and the bytes of the journal, computed once."""
    found = {}

    def get(case):
        if case not in found:
            folder = tmp_path_factory.mktemp(case)
            whole = json.loads(json.dumps(results(run(folder, case))))
            found[case] = whole, Path(folder, "run.journal").read_bytes()
        return found[case]

    return get


def same(folder, got, undisturbed):
    """Equal results, and equal bytes of the journal."""
    whole, journal = undisturbed
    assert json.loads(json.dumps(got)) == whole
    assert Path(folder, "run.journal").read_bytes() == journal


def test_the_undisturbed_run_is_worth_comparing(undisturbed):
    for case in CASES:
        whole, journal = undisturbed(case)
        assert whole["counts"][0] == STEPS and len(whole["history"]) == 9 and len(journal) > 2000
        assert whole["best"][2] != whole["hash"], "the best model is not the last one"
    assert undisturbed("sgd")[0]["state"] == [] != undisturbed("adam")[0]["state"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_a_moment(tmp_path, undisturbed, moment):
    program(tmp_path, "adam", moment)
    assert len(list(tmp_path.glob(".*.tmp*"))) == moment.startswith(("draft", "replace:"))
    same(tmp_path, program(tmp_path, "adam", "never"), undisturbed("adam"))
    assert list(tmp_path.glob(".*.tmp*")) == []


def test_killed_again_and_again(tmp_path, undisturbed):
    for moment in ("record:1", "step:9", "record:12", "draft:3", "replace:2", "step:1"):
        program(tmp_path, "sgd", moment)
    same(tmp_path, program(tmp_path, "sgd", "never"), undisturbed("sgd"))


def test_killed_from_outside(tmp_path, undisturbed):
    """At a time that nobody chose: by another process, whenever the journal has grown a little."""
    journal, slowly = tmp_path / "run.journal", "import time; import killed_run as k; import sys\n"
    slowly += "k.run(sys.argv[1], 'adam', callbacks=lambda step, run: time.sleep(0.02))"
    for size in (1500, 2500):
        command = [sys.executable, "-c", slowly, str(tmp_path)]
        child = subprocess.Popen(command, cwd=Path(killed_run.__file__).parent)
        while not journal.exists() or journal.stat().st_size < size:
            assert child.poll() is None
            time.sleep(0.003)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    same(tmp_path, results(run(tmp_path, "adam")), undisturbed("adam"))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("steps", [1, 8, 24, 59])
def test_a_budget_can_grow(tmp_path, undisturbed, case, steps):
    """A run that ended is gone on with as if it had not: its last look and last words are taken back."""
    first = run(tmp_path, case, max_steps=steps)
    assert first.outcome == "done" and first.steps == steps and first.history[-1].step == steps
    same(tmp_path, results(run(tmp_path, case)), undisturbed(case))


@pytest.mark.parametrize("case", CASES)
def test_resuming_a_finished_run_changes_nothing(tmp_path, undisturbed, case):
    for _ in range(2):
        same(tmp_path, results(run(tmp_path, case)), undisturbed(case))


@pytest.mark.parametrize("case", CASES)
def test_without_a_journal_file_the_checkpoint_has_the_records(tmp_path, undisturbed, case):
    whole = run(tmp_path, case, journal=None, journal_every=None, checkpoint=tmp_path / "whole")
    for steps in (13, 40, STEPS):
        done = run(tmp_path, case, journal=None, journal_every=None, max_steps=steps)
    assert results(done) == results(whole)
    assert done.model.hash == undisturbed(case)[0]["hash"]
    model = bf.Sequential(6, [bf.Linear(8), bf.Tanh(), bf.Linear(3)], seed=1)
    assert bf.theta_hash(bf.replay(done.journal, model)) == done.model.hash


def test_patience_is_counted_across_a_stop(tmp_path):
    settings = {"patience": 2, "validate_every": 3, "max_steps": 500, "update": bf.SGD(1e-6)}  # learns next to nothing
    whole = run(tmp_path, "sgd", **settings, checkpoint=tmp_path / "a", journal=tmp_path / "b")
    assert whole.outcome_code == "early_stop" and whole.steps == 9 and whole.best.step == 3
    run(tmp_path, "sgd", **{**settings, "max_steps": 7})
    done = run(tmp_path, "sgd", **settings)
    assert results(done) == results(whole)
    again = run(tmp_path, "sgd", **settings)
    assert results(again) == results(whole), "an early stop stays one"
    assert run(tmp_path, "sgd", **{**settings, "patience": 4}).steps == 15, "unless there is more patience"


class Interrupt:
    """Raises at the how manieth call."""

    def __init__(self, error, number, then=lambda *_: None):
        self.error, self.left, self.then = error, number, then

    def __call__(self, *arguments):
        self.left -= 1
        if self.left == 0:
            raise self.error
        return self.then(*arguments)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a callback's own")])
def test_an_exception_leaves_the_last_whole_step(tmp_path, undisturbed, error):
    with pytest.raises(type(error)):
        run(tmp_path, "adam", callbacks=Interrupt(error, 30), checkpoint_every=1000)
    journal = bf.Journal.read(tmp_path / "run.journal")
    assert len(journal) == 30 and journal.torn == 0
    assert journal.events[-1] == (30, 1, f"interrupted: {type(error).__name__}")
    assert bf.Model.load(tmp_path / "run.ckpt").hash == bf.theta_hash(
        bf.replay(journal, bf.Sequential(6, [bf.Linear(8), bf.Tanh(), bf.Linear(3)], seed=1))
    )
    same(tmp_path, results(run(tmp_path, "adam")), undisturbed("adam"))


@pytest.mark.parametrize("place", ["step_done", "note", "save"])
@pytest.mark.parametrize("number", [2, 5])
def test_ctrl_c_in_the_middle_of_the_bookkeeping(tmp_path, monkeypatch, undisturbed, place, number):
    """Half of a step's bookkeeping is done: that step is not, on the disk."""
    method = getattr(RunFiles, place)
    interrupt = Interrupt(KeyboardInterrupt(), number, lambda *arguments: method(*arguments))
    with monkeypatch.context() as patch:
        patch.setattr(RunFiles, place, lambda *arguments: interrupt(*arguments))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, "adam")
    assert bf.Journal.read(tmp_path / "run.journal").torn == 0
    same(tmp_path, results(run(tmp_path, "adam")), undisturbed("adam"))


@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_a_full_disk_is_told_and_survived(tmp_path, monkeypatch, undisturbed, number):
    full = OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Interrupt(full, number, os.fsync))
        with pytest.raises(OSError, match="No space left on device"):
            run(tmp_path, "adam")
    same(tmp_path, results(run(tmp_path, "adam")), undisturbed("adam"))


def test_neither_file_is_left_when_one_cannot_be_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        run(tmp_path, "sgd", checkpoint=tmp_path / "missing" / "run.ckpt")
    assert os.listdir(tmp_path) == []


def test_a_checkpoint_is_a_model_too(tmp_path):
    done = run(tmp_path, "sgd")
    model = bf.Model.load(tmp_path / "run.ckpt")
    assert model.hash == done.model.hash and model.graph.hash() == done.model.graph.hash()


def test_what_is_there_is_not_overwritten(tmp_path):
    run(tmp_path, "sgd")
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(path.name for path in files) == ["run.ckpt", "run.journal"], "no drafts are left"
    with pytest.raises(ValueError, match=r"^checkpoint: .*run.ckpt: resume=True goes on from it; or give another path"):
        run(tmp_path, "sgd", resume=False)
    for checkpoint, resume in ((None, False), (tmp_path / "new", False), (tmp_path / "new", True)):
        with pytest.raises(ValueError, match=r"^journal: .*run.journal: resume=True and its checkpoint go on"):
            run(tmp_path, "sgd", checkpoint=checkpoint, resume=resume)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


def other_data(change):
    x, y = killed_run.data()
    x, y = x.copy(), y.copy()
    change(x, y)
    return x, y


def put(values, at, value):
    values[at] = value


DIFFERENT = [
    ({"batch_size": 11}, "batch_size: 12 in the checkpoint, 11 here"),
    ({"seed": 4}, "seed: 9 in the checkpoint, 4 here"),
    ({"estimator": bf.RGE(5)}, r"estimator.n_queries: 2 in the checkpoint, 5 here; record.1: 2 in .*, 5 here:"),
    ({"update": bf.SGD(0.03)}, r"update.links.0.lr: 0.02 in the checkpoint, 0.03 here"),
    ({"update": bf.Adam(0.02)}, r"n_state: 0 in the checkpoint, .* update.links.0.beta1: None in the checkpoint, 0.9"),
    ({"validation": 0.3}, "validation: 0.2 in the checkpoint, 0.3 here"),
    ({"validation": killed_run.data()}, r"validation: 0.2 in the checkpoint, float32\[90, 6\] CRC"),
    ({"validation": None, "patience": None}, "validation: 0.2 in the checkpoint, None here; validate_every: 7 in"),
    ({"validate_every": 8}, "validate_every: 7 in the checkpoint, 8 here"),
    ({"journal_every": 24}, "journal_every: 25 in the checkpoint, 24 here"),
    ({"journal": None, "journal_every": None}, "journal_file: True in the checkpoint, False here"),
    ({"engine": "reference"}, "engine: same bits in the checkpoint, reference float32 here"),
]
OTHER_DATA = [
    (other_data(lambda x, y: put(x, (3, 2), 9.0)), r"data: float32\[90, 6\] CRC \w+, uint32\[90\] CRC \w+ in the ch"),
    (other_data(lambda x, y: put(y, 3, 2 - y[3])), r"data: float32\[90, 6\] CRC"),
    ([part[:89] for part in killed_run.data()], r"data: float32\[90, 6\] CRC .* here"),
]


@pytest.mark.parametrize(("changed", "message"), DIFFERENT, ids=range(len(DIFFERENT)))
def test_the_checkpoint_of_another_run_is_refused(tmp_path, changed, message):
    run(tmp_path, "sgd", max_steps=9)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=f"checkpoint: .*run.ckpt is of another run; .*{message}"):
        run(tmp_path, "sgd", **changed)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize(("data", "message"), OTHER_DATA, ids=range(len(OTHER_DATA)))
def test_the_checkpoint_of_other_data_is_refused(tmp_path, monkeypatch, data, message):
    run(tmp_path, "sgd", max_steps=9)
    monkeypatch.setattr(killed_run, "data", lambda: data)
    with pytest.raises(ValueError, match=f"is of another run; {message}"):
        run(tmp_path, "sgd")


def test_another_start_is_refused(tmp_path):
    settings = {"max_steps": 3, "batch_size": 12, "checkpoint": tmp_path / "a", "resume": True, "engine": "exact"}
    layers = [bf.Linear(8), bf.Tanh(), bf.Linear(3)]
    bf.train(bf.Sequential(6, layers, seed=1), killed_run.data(), **settings)
    with pytest.raises(ValueError, match=r"is of another run; theta: \w{16} in the checkpoint, \w{16} here"):
        bf.train(bf.Sequential(6, layers, seed=2), killed_run.data(), **settings)
    with pytest.raises(ValueError, match=r"is of another run; model: \w{16} in the checkpoint, \w{16} here; theta:"):
        bf.train(bf.Sequential(6, layers[:1] + layers[2:], seed=2), killed_run.data(), **settings)


def test_engines_with_the_same_bits_go_on_for_each_other(tmp_path, undisturbed):
    run(tmp_path, "adam", max_steps=30, engine="exact")
    same(tmp_path, results(run(tmp_path, "adam")), undisturbed("adam"))


@pytest.mark.parametrize("damage", ["gone", "short", "changed", "foreign"])
def test_a_journal_that_does_not_fit_the_checkpoint_is_refused(tmp_path, damage):
    run(tmp_path, "sgd", max_steps=30)
    path = tmp_path / "run.journal"
    good = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        at = {"short": -200, "changed": len(good) // 2, "foreign": 30}[damage]
        path.write_bytes(good[:at] if damage == "short" else good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        before = path.read_bytes()
    message = {
        "gone": "which is not there",
        "short": "not as the checkpoint left it",
        "changed": "not as the checkpoint left it",
        "foreign": "not the journal of this run",
    }
    with pytest.raises(ValueError, match=message[damage]):
        run(tmp_path, "sgd")
    if damage != "gone":
        assert path.read_bytes() == before


def test_damaged_checkpoints_are_refused_or_harmless(tmp_path):
    """Every 31st byte flipped, every 301st truncation: FormatError, or a byte of zip's that nobody reads."""
    whole = results(run(tmp_path, "sgd", max_steps=12, journal=None, journal_every=None))
    path = tmp_path / "run.ckpt"
    good, harmless = path.read_bytes(), 0
    bad = [good[:at] for at in range(0, len(good), 301)]
    bad += [good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :] for at in range(0, len(good), 31)]
    for data in bad:
        path.write_bytes(data)
        try:
            done = run(tmp_path, "sgd", max_steps=12, journal=None, journal_every=None)
        except FormatError as error:
            assert str(error).startswith(f"{path}: not a bpfree checkpoint") and path.read_bytes() == data
        else:
            harmless += 1
            assert results(done) == whole
    assert harmless < len(bad) // 10


@pytest.mark.parametrize("what", ["model", "text", "arrays"])
def test_foreign_files_are_no_checkpoints(tmp_path, what):
    path = tmp_path / "run.ckpt"
    if what == "model":
        with open(path, "wb") as file:
            bf.Sequential(6, [bf.Linear(3)]).save(file.name)
    elif what == "text":
        path.write_text("not a zip")
    else:
        with open(path, "wb") as file:
            np.savez(file, checkpoint=np.array([object()], dtype=object))
    data = path.read_bytes()
    with pytest.raises(FormatError, match=r"run.ckpt: not a bpfree checkpoint"):
        run(tmp_path, "sgd")
    assert path.read_bytes() == data and not (tmp_path / "run.journal").exists()


def test_a_checkpoint_that_lies_about_its_sizes_is_refused(tmp_path):
    """CRCs are right, contents are not."""
    run(tmp_path, "adam", max_steps=9, journal=None, journal_every=None)
    path = tmp_path / "run.ckpt"
    with np.load(path) as file:
        good = dict(file)
    document = json.loads(str(good["checkpoint"]))
    del document["crc"]
    wrong = [
        {"theta": good["theta"][:-1]},
        {"theta": good["theta"].astype(np.float64)},
        {"state": good["state"][:-1]},
        {"history": good["history"].ravel()[:-1]},
        {"records": good["records"].ravel()[:-1]},
        {"best": good["theta"][:-1]},
        {"checkpoint": "{"},
        {"checkpoint": "[]"},
        {"checkpoint": json.dumps({**document, "version": 1})},
        {"checkpoint": json.dumps({**document, "version": 3})},
        {"checkpoint": json.dumps({**document, "identity": 3})},
        {"checkpoint": json.dumps({**document, "counts": [1]})},
        {"checkpoint": json.dumps({**document, "counts": ["a", 1, 2, 3]})},
        {"checkpoint": json.dumps({**document, "best": [1]})},
        {"checkpoint": json.dumps({**document, "position": [1, 2, 3]})},
    ]
    for changed in wrong:
        with open(path, "wb") as file:
            np.savez(file, **{**good, **changed})
        with pytest.raises(FormatError, match=r"run.ckpt: "):
            run(tmp_path, "adam", journal=None, journal_every=None)


def test_data_are_told_apart_by_their_crc(tmp_path):
    run(tmp_path, "sgd", max_steps=2)
    with np.load(tmp_path / "run.ckpt") as file:
        identity = json.loads(str(file["checkpoint"]))["identity"]
    x, y = killed_run.data()
    labels = np.ascontiguousarray(y, np.uint32)
    expected = f"float32[90, 6] CRC {zlib.crc32(x):08x}, uint32[90] CRC {zlib.crc32(labels):08x}"
    assert identity["data"] == expected


def test_the_folder_must_be_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        run(tmp_path / "missing", "sgd")
    assert os.listdir(tmp_path) == []


def test_numbers_of_numpy_are_settings_like_any_other(tmp_path):
    """They reach the checkpoint's JSON, and go on as Python's do."""
    path = tmp_path / "numpy.ckpt"
    counts = {"validate_every": 2, "patience": 9, "checkpoint_every": 2, "journal_every": 2}
    settings = {name: np.int64(value) for name, value in counts.items()}
    journal = {"journal": tmp_path / "numpy.journal", "checkpoint": path, "engine": "exact"}
    run(tmp_path, "sgd", max_steps=np.int64(4), validation=np.float32(0.25), **settings, **journal)
    assert run(tmp_path, "sgd", max_steps=6, validation=0.25, **counts, **journal).steps == 6


def test_neither_file_is_left_when_the_checkpoint_cannot_be_written_as_text(tmp_path, monkeypatch):
    def wrong(*_, **__):
        raise TypeError("not serializable")

    monkeypatch.setattr("bpfree.training.checkpoint.json.dumps", wrong)
    with pytest.raises(TypeError, match="not serializable"):
        run(tmp_path, "sgd", engine="exact")
    assert list(tmp_path.iterdir()) == []
