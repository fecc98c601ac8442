# SPDX-License-Identifier: MIT
"""The journal: what a run can be rebuilt from, bit for bit, without data.

A step of an estimator made of few probes is its coefficients: a few bytes.
Replaying them from the base parameters gives the same theta on every engine.
Other estimators leave snapshots of theta and of the update's state.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from os import PathLike
from typing import NamedTuple

import numpy as np

from bpfree.arithmetic import check_arithmetic
from bpfree.engines import get_engine
from bpfree.errors import FormatError, NumericError, check_count
from bpfree.files import read_bytes
from bpfree.graph import theta_hash
from bpfree.journal.file import JournalFile
from bpfree.journal.format import Code, Damaged, Header, Reason, Type, make_header, read_header, read_records
from bpfree.model import Model
from bpfree.settings import check_named, differences, load
from bpfree.trainer import Trainer


class Snapshot(NamedTuple):
    """theta (n_theta,) and the update's state (n_state,), link after link, before a step."""

    step: int
    theta: np.ndarray
    state: np.ndarray


class Event(NamedTuple):
    """Something that happened before a step: Code.VALIDATION, .END or .WENT_BACK, and text for people."""

    step: int
    code: int
    text: str


class Skip(NamedTuple):
    """A step that moved nothing: Reason.SAMPLE, .NUMERIC or .OTHER, and text for people."""

    step: int
    code: int
    text: str


class Seal(NamedTuple):
    """SHA-256, 64 hex digits, of the first `at` bytes of a journal's file, made before a step."""

    step: int
    sha256: str
    at: int


@dataclass
class Journal:
    """What happened from first_step on, in memory or, with `read` and `write`, in a file.

    base_hash: theta hash before the first step. settings: those of the run's
    Trainer, `Trainer.settings()`. records: one (groups, queries) float32 array
    for each step that moved something, coefficients before clip and learning
    rate; none where the estimator's row of the table says SNAPSHOT. skips: the
    steps that moved nothing. snapshots: of a file all, in the memory of a run no
    more than one: the last, or what a run that goes on with a state began with.
    seals: what a file holds of its own SHA-256. torn: bytes at the end of the file
    that were left out, the remains of a write that was cut off. damage: what was wrong
    with the first record of those that `read(up_to_damage=True)` left out. program_size: what
    a flash writes at once, 1, 8, 16 or 32 bytes: in a file everything begins at a multiple of it.

    >>> import bpfree as bf
    >>> x, y = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> run = bf.train(bf.Sequential(4, [bf.Linear(2)]), (x, y), max_steps=3, batch_size=2, engine="reference")
    >>> len(run.journal), run.journal.records[0].shape
    (3, (1, 8))
    """

    base_hash: str
    settings: str
    first_step: int = 0
    records: list[np.ndarray] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    torn: int = 0
    program_size: int = 1
    skips: list[Skip] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)
    damage: str = ""
    header: Header = field(init=False, repr=False, compare=False)
    file: JournalFile | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self):
        self.header = make_header(self.settings, self.base_hash, self.first_step, self.program_size)

    def __repr__(self) -> str:
        counts = {"records": self.records, "skips": self.skips, "snapshots": self.snapshots, "events": self.events}
        told = ", ".join(f"{len(entries)} {name}" for name, entries in counts.items() if entries)
        return f"Journal({self.kind}, from theta {self.base_hash} at step {self.first_step}: {told or 'nothing yet'})"

    @property
    def kind(self) -> str:
        """ "SCALARS" or "SNAPSHOT": what it is replayed from."""
        return self.header.kind.name

    @property
    def next_step(self) -> int:
        """The first step, of a journal of scalars, that it has neither a record of nor a skip."""
        return self.first_step + len(self.records) + len(self.skips)

    @property
    def model_step(self) -> int:
        """The step of a journal of scalars before which theta is the run's model: the next one, after all there are.

        But where the run diverged and went back to a model that it had, its last event but one says to which step.
        """
        back = [e for e in self.events if e.code == Code.WENT_BACK and e.step == self.next_step]
        if not back:
            return self.next_step
        step = back[-1].text.partition(":")[0]
        if not (step.isascii() and step.isdecimal()) or not self.first_step <= int(step) <= self.next_step:
            raise FormatError(f"journal: the run went back to a step that it does not have: {back[-1].text!r}")
        return int(step)

    def append(self, coefficients) -> None:
        """Add the record of the next step."""
        step, record = self.next_step, np.array(coefficients, np.float32)
        if self.file:
            self.file.scalars(step, record)
        self.records.append(record)

    def skip(self, step: int, code: Reason = Reason.OTHER, text: str = "") -> None:
        """Add that a step, the next one, moved nothing: its minibatch and its directions are used up."""
        if self.kind == "SCALARS" and step != self.next_step:
            raise ValueError(f"step: expected {self.next_step}, the next one, got {step}")
        if self.file:
            self.file.skip(step, code, text)
        self.skips.append(Skip(step, code, text))

    def snapshot(self, step: int, theta, state) -> None:
        """Add a snapshot of theta and state (a list of arrays) before a step.

        Memory keeps the one that the journal begins with, or, where there are no other records, the last one.
        """
        if self.kind == "SNAPSHOT" or step == self.first_step:
            self.snapshots[:] = [Snapshot(step, theta, np.concatenate([np.zeros(0, np.float32), *state]))]
        if self.file:
            self.file.snapshot(step, theta, state)

    def seal(self) -> Seal:
        """Write SHA-256 of all bytes so far into the file, and return it.

        Whoever has it from you can tell later whether the journal they are shown
        began like this; more records may follow. Raises ValueError while nothing
        is being written to a file; a file that is finished has one at its end.
        """
        if not self.file:
            raise ValueError("seal: expected a journal that is being written to a file; `write` seals its own")
        self.seals.append(Seal(*self.file.seal()))
        return self.seals[-1]

    def event(self, step: int, code: Code, text: str) -> None:
        """Add an event before a step."""
        if self.file:
            self.file.event(step, code, text)
        self.events.append(Event(step, code, text))

    def write(self, path) -> None:
        """Write all of it to a new file, with a seal at its end.

        Raises FileExistsError rather than overwrite one, ValueError when there is
        something in it that no reader would take, such as NaN; no file is left then.

        >>> import tempfile, bpfree as bf
        >>> x, y = np.eye(4, dtype="f4"), np.arange(4) % 2
        >>> run = bf.train(bf.Sequential(4, [bf.Linear(2)]), (x, y), max_steps=3, batch_size=2, engine="exact")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run.journal.write(f"{folder}/run.journal")
        ...     bf.Journal.read(f"{folder}/run.journal").events
        [Event(step=3, code=1, text='done')]
        """
        check_named(self.settings, "journal")
        file = JournalFile.create(path, self.header)
        try:
            for _, _, put in sorted(self._entries(), key=lambda entry: entry[:2]):
                put(file)
            file.seal()
        except BaseException:
            file.close()
            os.remove(path)
            raise
        file.close()

    def _entries(self):
        """Yield (step, rank, how to append it): a step's snapshot, its events, then what became of it."""
        for s in self.snapshots:
            yield s.step, 0, lambda file, s=s: file.snapshot(s.step, s.theta, [s.state])
        for e in self.events:
            yield e.step, 1, lambda file, e=e: file.event(*e)
        for step, record in zip(self._moved(), self.records):
            yield step, 2, lambda file, step=step, record=record: file.scalars(step, record)
        for s in self.skips:
            yield s.step, 2, lambda file, s=s: file.skip(*s)

    def _moved(self):
        """The steps that records are of: all but those that were skipped."""
        skipped, step = {s.step for s in self.skips}, self.first_step
        while True:
            if step not in skipped:
                yield step
            step += 1

    @classmethod
    def read(cls, path, up_to_damage: bool = False) -> Journal:
        """Return the journal in a file, every byte of it verified. The file is read once, and never written: what
        happens to it later does not change the journal.

        A torn tail is left out and counted in `torn`. Raises FormatError where
        the file is damaged, foreign, of another version, or contradicts itself.
        up_to_damage: take what is before the first record that is; `damage` then
        says what was wrong with it, and `torn` counts the bytes from there on.
        Damage in the header leaves nothing, and a seal that is not that of the
        bytes before it says that those have changed: both are refused all the same.
        """
        if not isinstance(up_to_damage, bool):
            raise TypeError(f"up_to_damage: expected True or False, got {up_to_damage!r}")
        data = memoryview(read_bytes(path))
        try:
            header = read_header(data)
            first = (header.base_hash, header.settings, header.first_step)
            journal, stop = cls(*first, program_size=header.program_size), len(header.data)
            for record in read_records(data, header):
                journal._take(record)
                stop = record.stop
        except Damaged as error:
            if not up_to_damage:
                ways = "Journal.read(path, up_to_damage=True), on the command line --up-to-damage"
                raise FormatError(f"{path}: {error}: {ways}, reads the {journal._steps:,} steps before it") from None
            journal.damage = str(error)
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None
        journal.torn = len(data) - stop
        return journal

    @property
    def _steps(self) -> int:
        """How many steps it leads through."""
        last = max((snapshot.step for snapshot in self.snapshots), default=self.first_step)
        return (self.next_step if self.kind == "SCALARS" else last) - self.first_step

    def _take(self, record) -> None:
        if record.kind is Type.EVENT:
            self.events.append(Event(record.step, *record.told()))
            return
        if record.kind is Type.SKIP:
            self.skips.append(Skip(record.step, *record.told()))
            return
        if record.kind is Type.SEAL:
            self.seals.append(Seal(record.step, record.payload.hex(), record.at))
            return
        values, n_theta = record.floats(), self.header.n_theta
        if record.kind is Type.SNAPSHOT:
            self.snapshots.append(Snapshot(record.step, values[:n_theta], values[n_theta:]))
        else:
            self.records.append(values.reshape(self.header.record_shape))

    def __len__(self) -> int:
        return len(self.records)


def replay(journal, start, theta=None, engine=None, *, to_step: int | None = None, rows=()) -> np.ndarray:
    """Return theta (n_theta,) of the run's model, or after to_step of its steps, without data.

    The run's model is what all its steps led to; where it diverged, the model that it went back to,
    which the journal says (`Journal.model_step`).

    journal: a Journal, or the path of a journal's file. start: the Model the
    run began with; or its Trainer, and then theta. engine: a name or an object;
    all give the same bits. rows: what the run had of its own, by whose names the
    journal is read: functions that are losses, Loss and Direction rows, classes of
    estimators, updates and schedules. Where the journal has snapshots of theta besides its
    scalars, they must agree with what is replayed.

    Raises ValueError when theta or the settings are not those the journal was
    written with, or to_step cannot be reached; FormatError for a bad file.

    >>> import bpfree as bf
    >>> x, y = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> model = bf.Sequential(4, [bf.Linear(2)])
    >>> run = bf.train(model, (x, y), max_steps=3, batch_size=2, engine="reference")
    >>> bool((bf.replay(run.journal, model) == run.model.theta).all())
    True
    >>> bool((bf.replay(run.journal, run.trainer, model.theta, "exact", to_step=0) == model.theta).all())
    True
    """
    check_arithmetic("replay")  # before settings are read: numbers in texts would be others, too
    if isinstance(journal, str | PathLike):
        journal = Journal.read(journal)
    if not isinstance(journal, Journal):
        raise TypeError(f"journal: expected a Journal or the path of one, got {type(journal).__name__}")
    trainer, theta = _start(journal, start, theta, rows)
    if journal.kind == "SNAPSHOT":
        return _at_snapshot(journal, theta, to_step)
    return _through_scalars(journal, trainer, theta, get_engine(engine, trainer.own + trainer.own_links), to_step)


def _start(journal, start, theta, rows):
    """Return trainer and theta, checked against the journal."""
    if isinstance(start, Model):
        if theta is not None:
            raise TypeError("theta: a Model brings its own; give a Trainer and theta, or a Model alone")
        trainer, theta = Trainer.from_settings(start, journal.settings, rows), start.theta
    elif isinstance(start, Trainer) and theta is not None:
        trainer, theta = start, np.asarray(theta, np.float32)
    else:
        raise TypeError(f"start: expected a Model, or a Trainer and then theta, got {type(start).__name__}")
    if trainer.settings() != journal.settings:
        differ = differences(load(journal.settings), load(trainer.settings()), "the journal")
        raise ValueError(f"trainer: expected the one the journal was written with; {differ}")
    if (got := theta_hash(theta)) != journal.base_hash:
        raise ValueError(f"theta: expected the one the journal was written with ({journal.base_hash}), got {got}")
    return trainer, theta


def _at_snapshot(journal, theta, to_step):
    """Return theta of a snapshot: the last, or the one at to_step; the base counts as one."""
    thetas = {journal.first_step: theta, **{s.step: s.theta for s in journal.snapshots}}
    wanted = max(thetas) if to_step is None else to_step
    if wanted not in thetas:
        steps = ", ".join(map(str, sorted(thetas)[:12])) + (", ..." if len(thetas) > 12 else "")
        raise ValueError(f"to_step: this journal has snapshots only, at {steps}; got {to_step}")
    return np.array(thetas[wanted], np.float32)


def _through_scalars(journal, trainer, theta, engine, to_step):
    """Return theta after the steps, one by one, which has to agree with every snapshot on the way."""
    first, last, records = journal.first_step, journal.next_step, dict(zip(journal._moved(), journal.records))
    stop = journal.model_step if to_step is None else check_count("to_step", to_step, first, last)
    snapshots = {s.step: s for s in journal.snapshots}
    state = trainer.initial_state(theta)
    if first and state and first not in snapshots:
        raise ValueError("journal: expected the run's first step, as the update has state; got a later one")
    for step in range(first, stop + 1):
        if step in snapshots:
            theta, state = _meet(snapshots[step], theta, state, step == first)
        if step in records and step < stop:
            theta, state = engine.apply(trainer, theta, state, step, records[step])
            if not np.isfinite(theta).all():
                raise NumericError(f"step {step}: the update overflows; no run makes such a step")
        elif step < stop:
            state = trainer.skip(state, step)
    return np.array(theta, np.float32)


def _meet(snapshot, theta, state, at_start):
    """The snapshot's theta and state, which must be those replayed; at the start, state is what it says."""
    ends = np.cumsum([part.size for part in state])
    parts = [np.array(part, np.float32) for part in np.split(snapshot.state, ends[:-1])] if state else []
    pairs = [(snapshot.theta, theta), *([] if at_start else zip(parts, state, strict=True))]
    if any(a.tobytes() != b.tobytes() for a, b in pairs):
        raise FormatError(f"journal: the snapshot at step {snapshot.step} is not what its scalars lead to")
    return theta, parts
