"""Journals that Python wrote, replayed in C on every instruction set; journals that C wrote, read in Python."""

import native_journal
import numpy as np
import pytest
from helpers import CHAINS, ISAS, assert_same_bits, device_loop, fits, floats, show

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.graph import theta_hash
from bpfree.graph.c_tables import model_tables
from bpfree.journal import Journal, replay
from bpfree.journal.format import Code, Type
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer
from bpfree.training.plan import split

X, Y = floats(0, 40, 6), np.arange(40) % 3
MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (2, 4), rank=2), bf.Tanh(), bf.Linear(3)], seed=4)
STEPS = 14
CASES = [
    (bf.RGE(1), bf.SGD(0.05)),
    (bf.RGE(3, grouping="layer"), bf.SGD(0.05)),
    (bf.RGE(2, two_sided=False, grouping="tensor"), bf.Momentum(0.02)),
    (bf.RGE(2, direction="gaussian", mu=bf.cosine_decay(0.05, steps=9, end=0.01)), bf.SGD(0.05)),
    (bf.RGE(2, direction="sphere", grouping="layer"), bf.Adam(bf.exponential_decay(0.02, 0.8, warmup=3))),
    *((bf.RGE(2), update) for update in CHAINS if fits(bf.RGE(2), update)),
]


@pytest.fixture(scope="module", params=CASES, ids=show)
def written(request, tmp_path_factory):
    """(run, hashes by step, bytes) of a journal with everything in it."""
    estimator, update = request.param
    path, hashes = tmp_path_factory.mktemp("journal") / "run.journal", [MODEL.hash]
    run = bf.train(
        MODEL, (X, Y), estimator=estimator, update=update, batch_size=8, max_steps=STEPS, engine="compiled", seed=2,
        validation=0.25, validate_every=4, journal=path, journal_every=5,
        callbacks=lambda step, run: hashes.append(run.model.hash),
    )  # fmt: skip
    return run, hashes, path.read_bytes()


def in_c(run, isa="scalar"):
    return NativeTrainer(NativeModel(model_tables(MODEL.graph), isa), **run.trainer.native_settings())


@pytest.mark.parametrize("isa", ISAS)
def test_replay_in_c(written, isa):
    run, hashes, data = written
    trainer, text = in_c(run, isa), run.trainer.settings()
    assert_same_bits(native_journal.replay(trainer, MODEL.theta, text, data), run.model.theta)
    assert trainer.state.tobytes() == b"".join(part.tobytes() for part in run.state)
    for step in range(STEPS + 1):
        assert theta_hash(native_journal.replay(trainer, MODEL.theta, text, data, step)) == hashes[step]
    with pytest.raises(ValueError, match="out of range"):
        native_journal.replay(trainer, MODEL.theta, text, data, STEPS + 1)
    with pytest.raises(FormatError, match="another model"):
        native_journal.replay(trainer, MODEL.theta + np.float32(1), text, data)
    with pytest.raises(FormatError, match="another model"):
        native_journal.replay(trainer, MODEL.theta, text + " ", data)


def test_the_same_records(written):
    run, _, data = written
    records, at = native_journal.read(data)
    assert at == len(data)
    scalars = [(record.step, record.payload) for record in records if record.kind == Type.SCALARS]
    assert scalars == [(step, record.tobytes()) for step, record in enumerate(run.journal.records)]
    assert [record.step for record in records if record.kind == Type.SNAPSHOT] == [5, 10]
    assert records[-2].payload == b"\1\0\0\0done" and records[-1].kind == Type.SEAL


def test_c_writes_the_same_bytes(written):
    """The device loop steps and writes; Python's file is what comes out, record by record."""
    run, _, data = written
    batch = split(MODEL.graph, run.trainer.loss, (X, Y), 0.25, run.trainer.batch_size, run.trainer.seed)[0]
    loop = device_loop(run.trainer, batch.x, batch.labels)
    loop.theta[:] = MODEL.theta
    journal = native_journal.NativeJournal(loop, run.trainer.settings(), Type.SCALARS)
    looks, out = dict(run.validation), journal.begin()
    for step in range(1, STEPS + 1):
        loop.step(loop.theta.copy(), step - 1)
        out += journal.scalars()
        if step % 5 == 0:
            out += journal.snapshot()
        if step in looks:
            out += journal.event(Code.VALIDATION, f"accuracy {looks[step]!r}")
    out += journal.event(Code.END, "done") + journal.seal()
    assert out == data and native_journal.sealed(data) == len(data) - 48


def test_python_replays_what_c_wrote(written, tmp_path):
    """A device log with nothing but scalars, cut off in the middle of a record."""
    run, hashes, _ = written
    batch = split(MODEL.graph, run.trainer.loss, (X, Y), 0.25, run.trainer.batch_size, run.trainer.seed)[0]
    loop = device_loop(run.trainer, batch.x, batch.labels)
    loop.theta[:] = MODEL.theta
    journal = native_journal.NativeJournal(loop, run.trainer.settings(), Type.SCALARS)
    out = journal.begin()
    for step in range(6):
        loop.step(loop.theta.copy(), step)
        out += journal.scalars()
    path = tmp_path / "device.log"
    path.write_bytes(out[:-3])
    read = Journal.read(path)
    assert len(read) == 5 and read.torn == 16 + 4 * read.header.n_record - 3
    assert theta_hash(replay(path, MODEL)) == hashes[5]


def test_the_last_step_there_can_be(tmp_path):
    trainer = bf.Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", bf.RGE(2), bf.SGD(0.05), batch_size=8)
    loop, last = device_loop(trainer, X, Y.astype(np.uint32)), 2**32 - 1
    loop.theta[:], loop.context.step = MODEL.theta, last
    journal = native_journal.NativeJournal(loop, trainer.settings(), Type.SCALARS)
    out = journal.begin()
    theta = loop.step(MODEL.theta, last)
    out += journal.scalars()
    path = tmp_path / "device.log"
    path.write_bytes(out)
    assert_same_bits(replay(path, MODEL), theta)
    assert_same_bits(native_journal.replay(loop, MODEL.theta, trainer.settings(), out), theta)
    for more in (journal.scalars, journal.snapshot, lambda: journal.event(Code.END, "done")):
        with pytest.raises(ValueError, match="out of range"):
            more()


def test_what_cannot_follow_is_refused(written):
    run, _, _ = written
    loop = device_loop(run.trainer, X, Y.astype(np.uint32))
    loop.theta[:] = MODEL.theta
    journal = native_journal.NativeJournal(loop, run.trainer.settings(), Type.SCALARS)
    journal.begin()
    with pytest.raises(ValueError, match="out of range"):
        journal.scalars()  # no step has been made
    loop.step(MODEL.theta, 0)
    with pytest.raises(ValueError, match="out of range"):
        journal.snapshot()  # the step's scalars come first
    journal.scalars()
    with pytest.raises(ValueError, match="out of range"):
        journal.scalars()
    with pytest.raises(ValueError, match="out of range"):
        journal.event(Code.END, "x" * 4097)
    assert len(journal.event(Code.END, "x" * 4096)) == 16 + 4 + 4096
    with pytest.raises(ValueError, match="out of range"):
        native_journal.NativeJournal(loop, "x" * 65537, Type.SCALARS).begin()
    with pytest.raises(ValueError, match="out of range"):
        native_journal.NativeJournal(loop, "x", Type.EVENT).begin()


def test_fingerprints_are_one():
    text = bf.Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", bf.RGE(), bf.SGD(), 4).settings()
    trainer = bf.Trainer.from_settings(MODEL, text)
    assert f"{native_journal.fingerprint(text):016x}" == trainer.fingerprint()
