"""Estimators without a short record of a step leave snapshots: in memory the last, in the file one every so often."""

import native_journal
import numpy as np
import pytest
from helpers import assert_same_bits, device_loop, floats

import bpfree as bf
from bpfree.graph import theta_hash
from bpfree.graph.c_tables import model_tables
from bpfree.journal import Journal, replay
from bpfree.journal.format import Code, Type
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer

X, Y = floats(0, 40, 5), np.arange(40) % 3


def model(seed=0):
    return bf.Sequential(5, [bf.Linear(4), bf.Tanh(), bf.Linear(3)], seed=seed)


def quick(**changed):
    """A run, and theta's hash after every step."""
    hashes = [model().hash]
    settings = {"estimator": bf.CGE(0.3), "update": bf.chain(bf.clip(0.5), bf.Adam(0.02)), "batch_size": 8}
    settings |= {"max_steps": 13, "engine": "compiled", "callbacks": lambda step, run: hashes.append(run.model.hash)}
    run = bf.train(model(), (X, Y), **{**settings, **changed})
    return run, hashes


def test_a_run_that_could_not_be_recovered_is_refused(tmp_path):
    message = "journal_every: expected a number of steps between snapshots, as cge leaves no short record of a step"
    with pytest.raises(ValueError, match=message):
        quick(journal=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_memory_keeps_the_last_snapshot_only(tmp_path):
    run, _ = quick()
    assert run.journal.kind == "SNAPSHOT" and run.journal.records == []
    assert [(s.step, theta_hash(s.theta), len(s.state)) for s in run.journal.snapshots] == [(13, run.model.hash, 80)]
    assert_same_bits(replay(run.journal, model()), run.model.theta)
    run.journal.write(tmp_path / "a")
    assert_same_bits(replay(tmp_path / "a", model()), run.model.theta)


def test_the_file_has_one_every_so_often_and_the_last(tmp_path):
    run, hashes = quick(journal=tmp_path / "a", journal_every=5, validation=0.2, validate_every=4)
    journal = Journal.read(tmp_path / "a")
    assert [s.step for s in journal.snapshots] == [5, 10, 13] and [e.step for e in journal.events] == [4, 8, 12, 13, 13]
    assert len(run.journal.snapshots) == 1 and (journal.kind, len(journal)) == ("SNAPSHOT", 0)
    for step in (0, 5, 10, 13, None):
        assert theta_hash(replay(journal, model(), to_step=step)) == hashes[13 if step is None else step]
    for step in (4, 14, -1):
        with pytest.raises(ValueError, match=rf"to_step: this journal has snapshots only, at 0, 5, 10, 13; got {step}"):
            replay(journal, model(), to_step=step)
    even, _ = quick(journal=tmp_path / "b", journal_every=13)
    assert [s.step for s in Journal.read(tmp_path / "b").snapshots] == [13], "not twice"


def test_a_torn_snapshot_is_left_out(tmp_path):
    _, hashes = quick(journal=tmp_path / "a", journal_every=5)
    data = (tmp_path / "a").read_bytes()
    snapshot = 16 + 4 * (39 + 80)
    (tmp_path / "a").write_bytes(data[: -48 - 24 - snapshot // 2])  # of the last snapshot only a half, and not the end
    journal = Journal.read(tmp_path / "a")
    assert [s.step for s in journal.snapshots] == [5, 10] and journal.torn == snapshot // 2
    assert theta_hash(replay(tmp_path / "a", model())) == hashes[10]


@pytest.mark.parametrize("steps", [3, 5, 12])
def test_resume(tmp_path, steps):
    whole, _ = quick(journal=tmp_path / "a", journal_every=5, checkpoint=tmp_path / "b")
    for most in (steps, 13):
        files = {"journal": tmp_path / "c", "checkpoint": tmp_path / "d"}
        done, _ = quick(**files, journal_every=5, resume=True, max_steps=most, checkpoint_every=4)
    assert done.model.hash == whole.model.hash and done.losses == whole.losses
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()


def test_c_replays_and_writes_them(tmp_path):
    run, hashes = quick(journal=tmp_path / "a", journal_every=5)
    data, text = (tmp_path / "a").read_bytes(), run.trainer.settings()
    for isa in ("scalar", "baseline"):
        trainer = NativeTrainer(NativeModel(model_tables(model().graph), isa), **run.trainer.native_settings())
        for step in (0, 5, 10, 13, native_journal.ALL):
            theta = native_journal.replay(trainer, model().theta, text, data, step)
            assert theta_hash(theta) == hashes[min(step, 13)]
        assert trainer.state.tobytes() == b"".join(part.tobytes() for part in run.state)
        with pytest.raises(ValueError, match="out of range"):
            native_journal.replay(trainer, model().theta, text, data, 7)

    loop = device_loop(run.trainer, X, Y.astype(np.uint32))
    loop.theta[:] = model().theta
    journal = native_journal.NativeJournal(loop, text, Type.SNAPSHOT)
    out = journal.begin()
    with pytest.raises(ValueError, match="out of range"):
        journal.scalars()
    for step in range(13):
        loop.step(loop.theta.copy(), step)
        if step + 1 in (5, 10, 13):
            out += journal.snapshot()
    assert out + journal.event(Code.END, "done") + journal.seal() == data
