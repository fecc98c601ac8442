"""The journal file: its bytes as FORMAT.md has them, replayed to the same bits; anything else is refused or torn."""

import hashlib
import struct
import zlib

import native_journal
import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, floats, make_engine

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.graph import theta_hash
from bpfree.journal import Journal, replay
from bpfree.journal.format import MAGIC, read_header, read_records

X, Y = floats(0, 40, 5), np.arange(40) % 3
UPDATES = {"sgd": bf.SGD(0.05), "adam": bf.chain(bf.clip(0.5), bf.Adam(0.02))}


def model(seed=0):
    return bf.Sequential(5, [bf.Linear(4), bf.Tanh(), bf.Linear(3)], seed=seed)


def quick(path=None, update="adam", **changed):
    """A run, and theta's hash after every step."""
    hashes = [model().hash]
    settings = {"estimator": bf.RGE(2), "update": UPDATES[update], "batch_size": 8, "max_steps": 12, "engine": "exact"}
    callbacks = lambda step, run: hashes.append(run.model.hash)
    run = bf.train(model(), (X, Y), **{**settings, "journal": path, "callbacks": callbacks, **changed})
    return run, hashes


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(run, hashes, path) of a journal with scalars, snapshots and events."""
    path = tmp_path_factory.mktemp("journal") / "run.journal"
    run, hashes = quick(path, journal_every=5, validation=(X, Y), validate_every=4)
    return run, hashes, path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Bytes of a short journal: four steps of two floats, and the end."""
    path = tmp_path_factory.mktemp("journal") / "small.journal"
    quick(path, "sgd", max_steps=4)
    return path.read_bytes()


def reader(data):
    """Journal of bytes, by way of the functions that parse."""
    view = memoryview(data)
    header = read_header(view)
    return header, list(read_records(view, header))


def test_every_byte_is_as_specified(written):
    """FORMAT.md by hand."""
    run, _, path = written
    data, text = path.read_bytes(), run.trainer.settings().encode()
    assert data[:8] == b"BPFJ\r\n\x1a\n"
    numbers = struct.unpack("<IIQQQIIIIIII", data[8:68])
    hashes = (run.trainer.graph.hash(), int(model().hash, 16), int(run.trainer.fingerprint(), 16))
    assert numbers == (2, 1, *hashes, 0, 39, 2, 80, 0, 1, len(text))
    place = 68 + len(text)
    assert data[68:place] == text
    seed = zlib.crc32(data[:place])
    assert data[place : place + 4] == struct.pack("<I", seed)
    place, seen = place + 4, []
    while place < len(data):
        kind, step, size, crc = struct.unpack("<IIII", data[place : place + 16])
        payload = data[place + 16 : place + 16 + size]
        begun = zlib.crc32(data[place : place + 12], zlib.crc32(struct.pack("<Q", place), seed))
        assert crc == zlib.crc32(payload, begun)
        seen.append((kind, step, payload))
        if kind == 5:
            assert payload == hashlib.sha256(data[:place]).digest()
        place += 16 + size
    assert place == len(data)
    scalars = [(step, payload) for kind, step, payload in seen if kind == 1]
    assert scalars == [(step, record.tobytes()) for step, record in enumerate(run.journal.records)]
    snapshots = {step: payload for kind, step, payload in seen if kind == 2}
    assert sorted(snapshots) == [5, 10] and {len(payload) for payload in snapshots.values()} == {4 * (39 + 80)}
    looks = [(step, 2, f"accuracy {value!r}") for step, value in run.validation]
    told = [(step, payload) for kind, step, payload in seen if kind == 3]
    events = [(step, *struct.unpack("<I", payload[:4]), payload[4:].decode()) for step, payload in told]
    assert events == [*looks, (12, 1, "done")] and [step for step, *_ in looks] == [4, 8, 12]
    order = [(step, {2: 0, 3: 1, 1: 2}[kind]) for kind, step, _ in seen[:-1]]
    assert order == sorted(order) and seen[-1][:2] == (5, 12)


@pytest.mark.parametrize("update", UPDATES)
def test_memory_and_file_are_one(tmp_path, update):
    run, _ = quick(tmp_path / "a", update, validation=0.2, validate_every=5)
    run.journal.write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    read = Journal.read(tmp_path / "a")
    assert (read.base_hash, read.settings) == (model().hash, run.trainer.settings())
    assert (read.first_step, read.torn) == (0, 0)
    assert read.events == run.journal.events and len(read) == len(run.journal) == 12
    for mine, theirs in zip(run.journal.records, read.records, strict=True):
        assert_same_bits(theirs, mine)
    with pytest.raises(FileExistsError):
        run.journal.write(tmp_path / "b")


@pytest.mark.parametrize("engine", ENGINES)
def test_replay_of_a_file_needs_the_base_model_only(written, engine):
    run, hashes, path = written
    assert_same_bits(replay(path, model(), engine=make_engine(engine)), run.model.theta)
    assert_same_bits(replay(str(path), run.trainer, model().theta, make_engine(engine)), run.model.theta)


def test_replay_to_every_step(written):
    run, hashes, path = written
    journal = Journal.read(path)
    assert [theta_hash(replay(journal, model(), to_step=step)) for step in range(13)] == hashes
    for wrong in (-1, 13):
        with pytest.raises(ValueError, match=rf"to_step: expected an integer in \[0, 12\], got {wrong}"):
            replay(journal, model(), to_step=wrong)


def test_replay_leaves_everything_as_it_is(written):
    _, _, path = written
    before, start, journal = path.read_bytes(), model(), Journal.read(path)
    theta = replay(journal, start)
    theta[:] = 0
    assert start.hash == model().hash and theta_hash(replay(journal, start)) == theta_hash(replay(path, start))
    assert path.read_bytes() == before


def test_replay_refuses_what_does_not_belong(written):
    run, _, path = written
    other = bf.Sequential(5, [bf.Linear(6), bf.Tanh(), bf.Linear(3)])
    with pytest.raises(ValueError, match=r"model: expected the one that the settings are for; model: \w+ in "):
        replay(path, other)
    with pytest.raises(ValueError, match=r"theta: expected the one the journal was written with"):
        replay(path, model(seed=1))
    t = run.trainer
    slower = bf.Trainer(t.graph, t.frozen, t.loss, t.estimator, bf.SGD(0.1), t.batch_size, t.seed)
    with pytest.raises(ValueError, match=r"trainer: expected .*; n_state: 80 in the journal, 0 here; update.clip"):
        replay(path, slower, model().theta)
    for wrong in ({"start": t}, {"start": 3}, {"start": model(), "theta": model().theta}):
        with pytest.raises(TypeError, match=r"^(start|theta): "):
            replay(path, **wrong)
    with pytest.raises(TypeError, match=r"^journal: expected a Journal or the path of one, got int"):
        replay(3, model())


def test_a_journal_that_begins_later_needs_the_state(written):
    run, hashes, path = written
    whole = Journal.read(path)
    late = Journal(hashes[5], whole.settings, 5, whole.records[5:])
    base = replay(whole, model(), to_step=5)
    with pytest.raises(ValueError, match="journal: expected the run's first step, as the update has state"):
        replay(late, run.trainer, base)
    late.snapshots = whole.snapshots
    assert_same_bits(replay(late, run.trainer, base), run.model.theta)


@pytest.mark.parametrize("where", ["theta", "state"])
def test_a_snapshot_that_scalars_do_not_lead_to_is_refused(written, where):
    run, _, path = written
    journal = Journal.read(path)
    step, theta, state = journal.snapshots[0]
    theta, state = theta.copy(), state.copy()
    (theta if where == "theta" else state)[3] += 1
    journal.snapshots[0] = journal.snapshots[0]._replace(theta=theta, state=state)
    with pytest.raises(FormatError, match=rf"the snapshot at step {step} is not what its scalars lead to"):
        replay(journal, model())
    replay(journal, model(), to_step=step - 1)


def test_every_truncation_is_torn_or_refused(small, tmp_path):
    header, records = reader(small)
    ends = [len(header.data), *(record.stop for record in records)]
    path = tmp_path / "cut"
    for size in range(len(small)):
        path.write_bytes(small[:size])
        if size < ends[0]:
            with pytest.raises(FormatError, match=r"cut: (the file is empty|\d+ bytes are too few|a header with)"):
                Journal.read(path)
            with pytest.raises(ValueError, match="journal: a buffer is too small"):
                native_journal.read(small[:size])
            continue
        whole = sum(end <= size for end in ends) - 1
        journal = Journal.read(path)
        assert (len(journal), len(journal.seals)) == (min(whole, 4), whole == 6)
        assert journal.torn == size - ends[whole]
        found, at = native_journal.read(small[:size])
        assert (len(found), at) == (whole, ends[whole])
    assert path.read_bytes() == small[:-1]


@pytest.mark.parametrize(
    "changes",
    [[*(1 << bit for bit in range(8)), 255], pytest.param(range(1, 256), marks=pytest.mark.slow)],
    ids=["every bit", "all 255"],
)
def test_every_byte_that_changes_is_noticed(small, changes):
    """Changes of every byte, in Python and in C: refused, or, of the last record, taken for a torn end."""
    records = reader(small)[1]
    for at in range(len(small)):
        expected = "refused" if at < records[-1].at else len(records) - 1
        for change in changes:
            data = small[:at] + bytes([small[at] ^ change]) + small[at + 1 :]
            for read in (lambda data: reader(data)[1], lambda data: native_journal.read(data)[0]):
                try:
                    got = len(read(data))
                except ValueError:
                    got = "refused"
                assert got == expected, (at, change)


def test_random_damage(written):
    """Changed, moved, repeated, cut: Python and C agree, nothing crashes, what is left is a beginning of the run."""
    _, _, path = written
    good = path.read_bytes()
    _, records = reader(good)
    generator, refused = np.random.default_rng(11), 0
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(generator.integers(1, 5)):
            a, b = sorted(generator.integers(0, len(data), 2))
            kind = generator.integers(4)
            if kind == 0:
                data[a] = generator.integers(256)
            elif kind == 1:
                data[a:b] = bytes(b - a) if generator.integers(2) else data[b : b + b - a]
            elif kind == 2:
                data[a:a] = data[b : b + 40]
            elif len(data) > 1200:
                del data[max(a, 1200) :]
        try:
            got = [record.payload.tobytes() for record in reader(bytes(data))[1]]
        except FormatError:
            got = None
        try:
            in_c = [record.payload for record in native_journal.read(bytes(data))[0]]
        except ValueError:
            in_c = None
        assert got == in_c
        refused += got is None
        if got is not None:
            assert got == [record.payload.tobytes() for record in records[: len(got)]]
    assert 500 < refused < 1500


def sealed(numbers, text=b"{}"):
    """A header with a right CRC around anything."""
    head = MAGIC + struct.pack("<IIQQQIIIIIII", *numbers, len(text)) + text
    return head + struct.pack("<I", zlib.crc32(head))


def hostile(small):
    """Headers with a right CRC that no writer makes."""
    header, _ = reader(small)
    numbers, text = list(struct.unpack("<IIQQQIIIIIII", small[8:68]))[:-1], header.settings.encode()
    assert sealed(numbers, text) == header.data
    places = {"kind": 1, "fingerprint": 4, "n_theta": 6, "n_record": 7, "n_state": 8, "program_size": 10}
    for name, wrong in (("kind", (0, 2, 3)), ("fingerprint", (1,)), ("n_theta", (0, 2**30, 2**32 - 1)),
                        ("n_record", (0, 2**30)), ("n_state", (2**30, 2**32 - 1)),
                        ("program_size", (0, 2, 7, 24, 64, 2**31))):  # fmt: skip
        for value in wrong:
            yield sealed([value if k == places[name] else n for k, n in enumerate(numbers)], text)


def test_headers_that_contradict_themselves_are_refused(small):
    cases = list(hostile(small))
    assert len(cases) == 17
    for data in cases:
        with pytest.raises(FormatError, match="the header contradicts"):
            reader(data)
        with pytest.raises(FormatError, match="not what they claim to be"):
            native_journal.read(data)
    # What follows from the settings, which C does not parse, is for the trainer it is replayed with to refuse.
    header, _ = reader(small)
    numbers = list(struct.unpack("<IIQQQIIIIIII", small[8:68]))[:-1]
    for place, value in ((2, 5), (5, 77), (6, 40), (7, 3), (8, 1)):
        data = sealed([value if k == place else n for k, n in enumerate(numbers)], header.settings.encode())
        with pytest.raises(FormatError, match="the header contradicts"):
            reader(data)


SNAPSHOTS = b'{"journal":"SNAPSHOT","model":"0","n_state":0,"n_theta":1,"record":["a",{}],"schema":2,"seed":0}'


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"3", b"\xff", b'{"schema":2}', b"[" * 60_000, b'{"schema":2,"journal":"EVENT"}', SNAPSHOTS]
)
def test_settings_that_are_none_are_refused(text):
    with pytest.raises(FormatError, match=r"settings: "):
        reader(sealed([2, 1, 0, 0, 0, 0, 9, 2, 0, 0, 1], text))


def test_other_versions_and_foreign_files_are_refused(small, tmp_path):
    path = tmp_path / "file"
    newer, older = struct.pack("<I", 3), struct.pack("<I", 1)
    for data, message in (
        (small[:8] + newer + small[12:], "file: version: expected 2, got 3: update bpfree"),
        (small[:8] + older + small[12:], "file: version: expected 2, got 1: read it with the bpfree that wrote it"),
        (b"PK" + small[2:], "file: not a bpfree journal"),
        (small.replace(b"\r\n", b"\n"), "file: not a bpfree journal"),
        (bytes(1000), "file: not a bpfree journal"),
        (b"", "file: the file is empty"),
        (small[:64] + struct.pack("<I", 2**32 - 1) + small[68:], "file: a header with 4294967295 bytes of settings"),
    ):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=message):
            Journal.read(path)
        assert path.read_bytes() == data
    with pytest.raises(FormatError, match="format version not readable"):
        native_journal.read(small[:8] + newer + small[12:])
    with pytest.raises(FileNotFoundError):
        Journal.read(tmp_path / "missing")


def appended(data, *records):
    """The journal with more records whose CRC is right."""
    header, _ = reader(data)
    for kind, step, payload in records:
        head = struct.pack("<III", kind, step, len(payload))
        crc = zlib.crc32(payload, zlib.crc32(head, zlib.crc32(struct.pack("<Q", len(data)), header.crc)))
        data += head + struct.pack("<I", crc) + payload
    return data


def test_records_that_contradict_the_journal_are_refused(small):
    two, inf = np.ones(2, "<f4").tobytes(), np.array([1, np.inf], "<f4").tobytes()
    theta = np.full(39, np.nan, "<f4").tobytes()
    assert len(reader(appended(small, (1, 4, two), (3, 5, b"\7\0\0\0later"), (4, 5, b"\1\0\0\0")))[1]) == 9  # good ones
    for records, message in (
        ([(1, 5, two)], "a record of step 5 where 4 is next"),
        ([(1, 3, two)], "a record of step 3 where 4 is next"),
        ([(1, 4, two), (1, 4, two)], "a record of step 4 where 5 is next"),
        ([(3, 9, b"abcd")], "a record of step 9 where 4 is next"),
        ([(4, 5, b"abcd")], "a record of step 5 where 4 is next"),
        ([(4, 4, b"abcd"), (1, 4, two)], "a record of step 4 where 5 is next"),
        ([(5, 4, bytes(32))], "the seal is not that of the bytes before it"),
        ([(1, 4, inf)], "coefficients of step 4 are not finite"),
        ([(2, 4, theta)], "parameters at step 4 are not finite"),
    ):
        data = appended(small, *records)
        with pytest.raises(FormatError, match=rf"^byte \d+: {message}"):
            reader(data)
        with pytest.raises(FormatError, match="not what they claim to be"):
            native_journal.read(data)
    # Types and sizes that there are not are no records at all: a torn end, or damage where a good one follows.
    wrong = ((0, two), (6, two), (1, two[:4]), (1, two * 2), (2, two), (3, b"abc"), (3, bytes(4101)))
    for kind, payload in (*wrong, (4, b"abc"), (4, bytes(4101)), (5, bytes(31)), (5, bytes(33))):
        data = appended(small, (kind, 4, payload))
        assert len(reader(data)[1]) == len(native_journal.read(data)[0]) == 6
        with pytest.raises(FormatError, match=rf"^byte {len(small)}: the record is damaged, and not the last one"):
            reader(appended(data, (1, 4, two)))
        with pytest.raises(FormatError, match="checksum"):
            native_journal.read(appended(data, (1, 4, two)))


def test_hostile_bytes_cost_no_time(small):
    """Sixteen-byte steps of heads that promise a megabyte each would take hours to check one by one."""
    document = reader(small)[0].settings.replace('"record":[1,2]', '"record":[1,262144]')
    raw = document.encode()
    numbers = list(struct.unpack("<IIQQQIIIIIII", small[8:68]))[:-1]
    numbers[4], numbers[7] = native_journal.fingerprint(document), 262144
    data = sealed(numbers, raw) + struct.pack("<IIII", 1, 0, 1 << 20, 0) * (1 << 17)
    with pytest.raises(FormatError, match="the record is damaged"):
        reader(data)
    with pytest.raises(FormatError, match="checksum"):
        native_journal.read(data)


def test_reading_follows_a_run_that_is_going_on(tmp_path):
    """The file of a living run can be read at any time."""
    path, seen = tmp_path / "run.journal", []
    quick(path, callbacks=lambda step, run: seen.append(len(Journal.read(path))))
    assert seen == list(range(1, 13))


def test_a_refused_run_leaves_no_journal(tmp_path):
    with pytest.raises(ValueError, match="batch_size"):
        quick(tmp_path / "a", batch_size=99)
    assert not (tmp_path / "a").exists()


def test_why_a_run_ended_is_the_journals_last_word(tmp_path):
    run, _ = quick(tmp_path / "a", max_evaluations=10)
    assert Journal.read(tmp_path / "a").events[-1] == (2, 1, run.outcome) and run.outcome_code == "budget"
    run, _ = quick(tmp_path / "b", estimator=bf.RGE(mu=1e-30), max_steps=50)
    assert Journal.read(tmp_path / "b").events[-1] == (10, 1, f"mu_too_small: {run.outcome}")
