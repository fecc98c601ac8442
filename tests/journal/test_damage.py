"""What is good in a damaged journal can be had by who asks for it, and by nobody else; in C too."""

import json

import native_journal
import numpy as np
import pytest
from command_line import run as command

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.graph import theta_hash
from bpfree.graph.c_tables import model_tables
from bpfree.journal.format import Type, make_record, read_header, read_records
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer

MODEL = bf.Sequential(6, [bf.Linear(4), bf.Tanh(), bf.Linear(3)], seed=1)
STEPS, BAD = 40, 9
"""The tenth step's record is the one that is damaged."""

CRC, FORMAT = -7, -4


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(bytes of the journal, hashes by step, the run, its records)"""
    path, hashes = tmp_path_factory.mktemp("journal") / "run.journal", [MODEL.hash]
    x = np.random.default_rng(5).normal(size=(90, 6)).astype(np.float32)
    run = bf.train(
        MODEL, (x, (x[:, 0] > 0) * 1 + (x[:, 1] > 0)), estimator=bf.RGE(3), update=bf.Adam(0.02), max_steps=STEPS,
        batch_size=8, engine="exact", journal=path, callbacks=lambda step, run: hashes.append(run.model.hash),
    )  # fmt: skip
    data = path.read_bytes()
    return data, hashes, run, list(read_records(memoryview(data), read_header(memoryview(data))))


def flipped(data, at, bits):
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


def test_every_flip_in_a_record_is_refused_and_what_is_before_can_be_had(written, tmp_path):
    data, hashes, run, records = written
    bad, path = records[BAD], tmp_path / "run.journal"
    trainer = NativeTrainer(NativeModel(model_tables(MODEL.graph), "scalar"), **run.trainer.native_settings())
    flips = [(at, 1 << bit) for at in range(bad.at, bad.stop) for bit in range(8)]
    assert len(flips) == 8 * (16 + 4 * 3)
    for at, bits in flips:
        damaged = flipped(data, at, bits)
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=rf"byte {bad.at}: the record.*up_to_damage=True.* the {BAD} steps"):
            bf.Journal.read(path)
        journal = bf.Journal.read(path, up_to_damage=True)
        assert len(journal) == BAD and journal.torn == len(data) - bad.at
        assert journal.damage == f"byte {bad.at}: the record is damaged, and not the last one"
        assert native_journal.up_to_damage(damaged) == (CRC, bad.at, BAD)
    for step in (0, 3, BAD):
        assert theta_hash(bf.replay(journal, MODEL, engine="exact", to_step=step)) == hashes[step]
        theta = native_journal.replay(trainer, MODEL.theta, run.trainer.settings(), damaged[: bad.at], step)
        assert theta_hash(theta) == hashes[step]
    with pytest.raises(ValueError, match=rf"^to_step: expected an integer in \[0, {BAD}\], got {BAD + 1}"):
        bf.replay(journal, MODEL, engine="exact", to_step=BAD + 1)


def test_what_is_recovered_is_a_journal_that_can_be_written(written, tmp_path):
    data, hashes, _, records = written
    (tmp_path / "bad").write_bytes(flipped(data, records[BAD].at + 3, 1))
    bf.Journal.read(tmp_path / "bad", up_to_damage=True).write(tmp_path / "good")
    again = bf.Journal.read(tmp_path / "good")
    assert again.damage == "" and again.torn == 0 and theta_hash(bf.replay(again, MODEL, engine="exact")) == hashes[BAD]


def test_a_whole_journal_is_the_same_with_and_without(written, tmp_path):
    path = tmp_path / "run.journal"
    with pytest.raises(TypeError, match="^up_to_damage: expected True or False, got 3$"):
        bf.Journal.read(path, up_to_damage=3)
    for size in (len(written[0]), len(written[0]) - 5):  # torn, too
        path.write_bytes(written[0][:size])
        one, other = bf.Journal.read(path), bf.Journal.read(path, up_to_damage=True)
        assert (len(one), one.torn, one.damage, one.seals) == (len(other), other.torn, other.damage, other.seals)
        assert one.damage == ""


def test_damage_in_the_header_leaves_nothing(written, tmp_path):
    path = tmp_path / "run.journal"
    for at in (0, 9, 13, 60, 200):
        path.write_bytes(flipped(written[0], at, 4))
        with pytest.raises(FormatError) as plain:
            bf.Journal.read(path)
        with pytest.raises(FormatError) as asked:
            bf.Journal.read(path, up_to_damage=True)
        assert str(plain.value) == str(asked.value) and "up_to_damage" not in str(plain.value)
        assert native_journal.up_to_damage(path.read_bytes())[1] == 0


def test_a_seal_of_other_bytes_is_no_damage_after_good_bytes(written, tmp_path):
    """It says that what is before it has changed, so that nothing of it is good."""
    data, _, run, _ = written
    path = tmp_path / "run.journal"
    journal = bf.Journal(run.journal.base_hash, run.journal.settings, records=list(run.journal.records))
    journal.records[3] = journal.records[3] + np.float32(1)
    journal.write(path)
    changed = path.read_bytes()
    header = read_header(memoryview(data))
    place = len(header.data) + STEPS * 28
    path.write_bytes(changed[:place] + make_record(header, place, Type.SEAL, STEPS, bytes(32)) + changed[place:])
    for asked in (False, True):
        with pytest.raises(FormatError, match="the seal is not that of the bytes before it, which have changed since$"):
            bf.Journal.read(path, up_to_damage=asked)


def test_both_languages_agree_on_what_is_good(written, tmp_path):
    """Bytes changed anywhere behind the header, several at once."""
    data, _, _, records = written
    random, path = np.random.default_rng(7), tmp_path / "run.journal"
    for _ in range(150):
        damaged = bytearray(data)
        for at in random.integers(records[0].at, len(data), random.integers(1, 5)):
            damaged[at] ^= random.integers(1, 256)
        path.write_bytes(damaged)
        journal = bf.Journal.read(path, up_to_damage=True)
        status, good, steps = native_journal.up_to_damage(bytes(damaged))
        assert (good, steps) == (len(data) - journal.torn, len(journal))
        assert (status == 0) == (journal.damage == "") and status in (0, CRC, FORMAT)


def test_snapshots_before_the_damage_can_be_had(tmp_path):
    path, x = tmp_path / "run.journal", np.eye(6, dtype="f4")
    hashes = [MODEL.hash]
    bf.train(MODEL, (x, np.arange(6) % 3), estimator=bf.CGE(), max_steps=9, batch_size=3, engine="exact", journal=path,
             journal_every=3, callbacks=lambda step, run: hashes.append(run.model.hash))  # fmt: skip
    data = path.read_bytes()
    last = [r for r in read_records(memoryview(data), read_header(memoryview(data))) if r.kind == 2][-1]
    path.write_bytes(flipped(data, last.at + 20, 1))
    with pytest.raises(FormatError, match="reads the 6 steps before it"):
        bf.Journal.read(path)
    journal = bf.Journal.read(path, up_to_damage=True)
    assert theta_hash(bf.replay(journal, MODEL)) == hashes[6]


def test_on_the_command_line(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, hashes, _, records = written
    (tmp_path / "j").write_bytes(flipped(data, records[BAD].at + 17, 8))
    MODEL.save(tmp_path / "j.start.npz")
    refused = command("replay", "j", "--to-step", 3)
    assert refused.exit_code == 1 and "--up-to-damage, reads the 9 steps before it" in refused.stderr
    assert not (tmp_path / "j.npz").exists() and refused.stderr.count("\n") == 1
    for step in (3, None):
        arguments = () if step is None else ("--to-step", step)
        told = json.loads(command("replay", "j", *arguments, "--up-to-damage", "--json", "-").stdout)
        assert told["hash"] == hashes[BAD if step is None else step] == bf.Model.load("j.npz").hash
        assert told["damage"].startswith(f"byte {records[BAD].at}: ") and told["steps"] == (step or BAD)
        assert told["damaged_bytes"] == len(data) - records[BAD].at and told["torn_bytes"] == 0
    assert "are left out" in command("replay", "j", "--up-to-damage").stdout
    for arguments, code in (((), 1), (("--up-to-damage",), 0)):
        result = command("info", "j", *arguments, "--json", "-")
        told = json.loads(result.stdout)
        assert result.exit_code == code and told["recoverable"] and told["steps"] == BAD
        text = " ".join(result.stderr.replace("│", " ").split())
        assert f"the {BAD} steps before it are intact, and read with --up-to-damage" in text
    (tmp_path / "j").write_bytes(data)
    assert command("replay", "j", "--up-to-damage").exit_code == 0
    assert json.loads(command("replay", "j", "--json", "-").stdout)["damage"] is None
