"""What a journal has for devices and for others: programs of a flash, steps that were skipped, seals."""

import hashlib
import struct
import zlib

import native_journal
import numpy as np
import pytest
from helpers import CHAINS, ENGINES, assert_same_bits, device_loop, fits, floats, make_engine, show

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.graph import theta_hash
from bpfree.journal import Journal, Reason, Seal, Skip, replay
from bpfree.journal.file import JournalFile
from bpfree.journal.format import PROGRAM_SIZES, Code, Type, make_header, read_header, read_records

MODEL = bf.Sequential(5, [bf.Linear(4), bf.Tanh(), bf.Linear(3)], seed=4)
X, Y = floats(0, 40, 5), (np.arange(40) % 3).astype(np.uint32)
UPDATES = [bf.SGD(0.05), *(update for update in CHAINS if fits(bf.RGE(2), update))]
STEPS, SKIPPED = 12, {2: (Reason.SAMPLE, "late"), 3: (Reason.NUMERIC, ""), 7: (9, "for later versions"), 11: (1, "")}

programs = pytest.mark.parametrize("program", PROGRAM_SIZES)


def trainer_of(update=UPDATES[0], estimator=None):
    return bf.Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", estimator or bf.RGE(2), update, batch_size=8, seed=3)


def device_log(trainer, program, seal_at=(6,)):
    """(bytes, theta's hash before every step, theta) of a log that C writes: some steps skipped, sealed on the way."""
    loop = device_loop(trainer, X, Y)
    loop.theta[:], kind = MODEL.theta, Type[trainer.rows["estimator"].journal]
    journal, hashes = native_journal.NativeJournal(loop, trainer.settings(), kind, program), [MODEL.hash]
    out = journal.begin()
    for step in range(STEPS):
        if step in SKIPPED:
            native_journal.give_up(loop)
            out += journal.skip(*SKIPPED[step])
        else:
            loop.step(loop.theta.copy(), step)
            out += journal.scalars() if kind is Type.SCALARS else b""
        hashes.append(theta_hash(loop.theta))
        if step % 5 == 4:
            out += journal.snapshot()
        if step in seal_at:
            out += journal.seal()
    return out + journal.event(Code.END, "done") + journal.seal(), hashes, loop.theta.copy()


def entries(data):
    view = memoryview(data)
    header = read_header(view)
    return header, list(read_records(view, header))


@programs
@pytest.mark.parametrize("update", UPDATES, ids=show)
def test_a_device_that_skips_is_replayed(update, program, tmp_path):
    trainer, path = trainer_of(update), tmp_path / "device.log"
    data, hashes, theta = device_log(trainer, program)
    path.write_bytes(data)
    journal = Journal.read(path)
    assert journal.skips == [Skip(step, *told) for step, told in SKIPPED.items()]
    assert (len(journal), journal.next_step, journal.program_size) == (STEPS - len(SKIPPED), STEPS, program)
    for step in (*range(STEPS + 1), None):
        assert theta_hash(replay(journal, MODEL, to_step=step)) == hashes[STEPS if step is None else step]
    for engine in ENGINES:
        assert_same_bits(replay(path, MODEL, engine=make_engine(engine)), theta)
    loop = device_loop(trainer, X, Y)
    for step in range(STEPS + 1):
        assert theta_hash(native_journal.replay(loop, MODEL.theta, trainer.settings(), data, step)) == hashes[step]
    assert all((hashes[step] == hashes[step + 1]) == (step in SKIPPED) for step in range(STEPS))


@programs
def test_python_writes_the_same_bytes(program, tmp_path):
    trainer, path = trainer_of(UPDATES[2]), tmp_path / "device.log"
    data, _, _ = device_log(trainer, program, seal_at=())
    path.write_bytes(data)
    Journal.read(path).write(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == data


def test_snapshots_and_skips(tmp_path):
    """A journal of snapshots says which steps were skipped, too."""
    trainer, path = trainer_of(estimator=bf.CGE(0.3)), tmp_path / "device.log"
    data, hashes, _ = device_log(trainer, 32)
    path.write_bytes(data)
    journal = Journal.read(path)
    assert [skip.step for skip in journal.skips] == list(SKIPPED)
    for step in (0, 5, 10):
        assert theta_hash(replay(journal, MODEL, to_step=step)) == hashes[step]
    Journal.read(path).write(tmp_path / "again")
    assert [entry[:2] for entry in entries((tmp_path / "again").read_bytes())[1]] == [
        entry[:2] for entry in entries(data)[1] if entry.kind is not Type.SEAL or entry.stop == len(data)
    ]


@programs
def test_everything_begins_at_a_whole_program(program):
    header, records = entries(device_log(trainer_of(), program)[0])
    assert len(header.data) % program == 0 and all(record.at % program == 0 for record in records)
    assert {record.kind for record in records} == set(Type)
    text, base = trainer_of().settings(), MODEL.hash
    whole, plain = make_header(text, base, 0, program).data, make_header(text, base).data
    assert len(plain) <= len(whole) < len(plain) + program
    assert set(whole[len(plain) - 4 : -4]) <= {0}


@programs
def test_every_truncation_and_every_byte(program):
    """Cut off anywhere, or with one bit changed anywhere: torn, refused, or a beginning; in Python and in C."""
    data, _, _ = device_log(trainer_of(), program)
    header, records = entries(data)
    ends = [len(header.data), *(record.stop for record in records)]
    for size in range(ends[0], len(data)):
        whole = sum(end <= size for end in ends) - 1
        assert len(entries(data[:size])[1]) == len(native_journal.read(data[:size])[0]) == whole
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        outcomes = []
        for read in (lambda data: entries(data)[1], lambda data: native_journal.read(data)[0]):
            try:
                outcomes.append(len(read(bytes(changed))))
            except ValueError:
                outcomes.append("refused")
        assert outcomes == ["refused" if at < records[-1].at else len(records) - 1] * 2, at


@programs
def test_random_damage(program):
    """Changed, moved, erased: Python and C agree, and what is left is a beginning of the log."""
    good, _, _ = device_log(trainer_of(), program)
    whole = [record.payload.tobytes() for record in entries(good)[1]]
    generator, refused = np.random.default_rng(program), 0
    for _ in range(400):
        data = bytearray(good)
        for _ in range(generator.integers(1, 4)):
            a, b = sorted(generator.integers(0, len(data), 2))
            kind = generator.integers(4)
            if kind == 0:
                data[a] = generator.integers(256)
            elif kind == 1:
                data[a:b] = bytes([(0, 255)[generator.integers(2)]]) * (b - a)
            elif kind == 2:
                data[a : a + program * 4] = data[b : b + program * 4]
            elif len(data) > 1200:
                del data[max(a, 1200) :]
        got = []
        for read in (lambda data: [r.payload.tobytes() for r in entries(data)[1]],
                     lambda data: [r.payload for r in native_journal.read(data)[0]]):  # fmt: skip
            try:
                got.append(read(bytes(data)))
            except ValueError:
                got.append(None)
        assert got[0] == got[1]
        refused += got[0] is None
        assert got[0] is None or got[0] == whole[: len(got[0])]
    assert 100 < refused < 400


def test_zeros_are_zeros():
    """A filling that is something else, under a right CRC, is no record of ours."""
    data, _, _ = device_log(trainer_of(), 16)
    header, records = entries(data)
    padded = next(record for record in reversed(records) if record.kind is Type.EVENT)
    changed = bytearray(data)
    changed[padded.stop - 1] = 7
    head = bytes(changed[padded.at : padded.at + 12])
    begun = zlib.crc32(struct.pack("<Q", padded.at) + head, header.crc)
    crc = zlib.crc32(changed[padded.at + 16 : padded.stop], begun)
    changed[padded.at + 12 : padded.at + 16] = struct.pack("<I", crc)
    for read in (lambda data: entries(data), native_journal.read):
        with pytest.raises(FormatError):
            read(bytes(changed))


# ----- seals -----


def test_a_seal_is_sha_256_of_all_before(tmp_path):
    path, made = tmp_path / "run.journal", []

    def seal(step, run):
        made.extend([run.journal.seal()] if step in (2, 5) else [])

    run = bf.train(MODEL, (X, Y), estimator=bf.RGE(2), update=bf.SGD(0.05), batch_size=8, max_steps=7, engine="exact",
                   journal=path, callbacks=seal)  # fmt: skip
    data, read = path.read_bytes(), Journal.read(path)
    assert read.seals == run.journal.seals and read.seals[:2] == made
    assert [made.step for made in read.seals] == [3, 6, 7]
    for _, digest, at in read.seals:
        assert hashlib.sha256(data[:at]).hexdigest() == digest
    assert native_journal.sealed(data) == read.seals[-1].at == len(data) - 48
    assert_same_bits(replay(path, MODEL), run.model.theta)


def test_a_rewritten_journal_does_not_pass_for_the_sealed_one(tmp_path):
    """Whoever has the seal's hash notices: another run of the same kind has another; so has one cut off before."""
    settings = {"estimator": bf.RGE(2), "update": bf.SGD(0.05), "batch_size": 8, "max_steps": 5, "engine": "exact"}
    for name, y in (("one", Y), ("other", Y[::-1].copy())):
        bf.train(MODEL, (X, y), journal=tmp_path / name, **settings)
    one, other = (Journal.read(tmp_path / name).seals[-1] for name in ("one", "other"))
    assert one.at == other.at and one.sha256 != other.sha256
    data = (tmp_path / "one").read_bytes()
    (tmp_path / "cut").write_bytes(data[: one.at])
    assert Journal.read(tmp_path / "cut").seals == [] and Journal.read(tmp_path / "one").seals == [one]


def test_a_wrong_seal_is_refused(tmp_path):
    """Records of another run before it, each with a right CRC."""
    data, _, _ = device_log(trainer_of(), 1, seal_at=())
    header, records = entries(data)
    path = tmp_path / "forged"
    file = JournalFile.create(path, header)
    for record in records[:-1]:
        payload = bytes(record.payload)
        file._append(record.kind, record.step, payload[:-1] + bytes([payload[-1] ^ 1]) if record.step == 5 else payload)
    file._append(Type.SEAL, records[-1].step, bytes(records[-1].payload))
    file.close()
    with pytest.raises(FormatError, match=r"forged: byte \d+: the seal is not that of the bytes before it"):
        Journal.read(path)
    with pytest.raises(FormatError, match="not what they claim to be"):
        native_journal.read(path.read_bytes())


def test_without_a_file_there_is_nothing_to_seal():
    run = bf.train(MODEL, (X, Y), batch_size=8, max_steps=2)
    with pytest.raises(ValueError, match="seal: expected a journal that is being written to a file"):
        run.journal.seal()


def test_a_run_that_goes_on_is_sealed_again(tmp_path):
    files = {"journal": tmp_path / "run.journal", "checkpoint": tmp_path / "run.ckpt", "resume": True}
    for steps in (4, 9):
        bf.train(MODEL, (X, Y), batch_size=8, max_steps=steps, engine="exact", **files)
    journal = Journal.read(tmp_path / "run.journal")
    assert len(journal) == 9 and [seal.step for seal in journal.seals] == [9]

    def stop(step, run):
        if step == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bf.train(MODEL, (X, Y), batch_size=8, max_steps=20, engine="exact", callbacks=stop, **files)
    journal = Journal.read(tmp_path / "run.journal")
    assert isinstance(journal.seals[-1], Seal) and journal.events[-1].text == "interrupted: KeyboardInterrupt"
    assert native_journal.sealed((tmp_path / "run.journal").read_bytes()) == journal.seals[-1].at


# ----- what a reader refuses is not written -----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda j: j.records.append(np.full((1, 2), np.nan, np.float32)), "coefficients of step 3 are not finite"),
        (lambda j: j.records.append(np.zeros((1, 3), np.float32)), "12 bytes are not those of SCALARS"),
        (lambda j: j.snapshots.append(bf.journal.Snapshot(1, np.full(39, np.inf, "f4"), np.zeros(0, "f4"))),
         "parameters at step 1 are not finite"),
        (lambda j: j.skips.append(Skip(9, 1, "")), "a record of step 9 where 3 is next"),
        (lambda j: j.events.append(bf.journal.Event(7, 1, "")), "a record of step 7 where 3 is next"),
    ],
)  # fmt: skip
def test_writers_refuse(change, message, tmp_path):
    run = bf.train(MODEL, (X, Y), estimator=bf.RGE(2), batch_size=8, max_steps=3)
    change(run.journal)
    with pytest.raises(FormatError, match=message):
        run.journal.write(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_skip_is_of_the_next_step():
    journal = Journal(MODEL.hash, trainer_of().settings())
    journal.append(np.zeros((1, 2)))
    for wrong in (0, 2):
        with pytest.raises(ValueError, match=f"step: expected 1, the next one, got {wrong}"):
            journal.skip(wrong)
    journal.skip(1, Reason.OTHER, "because")
    assert journal.next_step == 2 and journal.skips == [(1, 1, "because")]
    with pytest.raises(ValueError, match="program_size: expected one of 1, 8, 16, 32, got 4"):
        Journal(MODEL.hash, trainer_of().settings(), program_size=4)
