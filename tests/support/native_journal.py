"""`bpfree_journal` of the C runtime: the same bytes as bpfree.journal.format, read, replayed and written in C."""

from typing import NamedTuple

import numpy as np

from bpfree.native import core
from bpfree.native.arrays import check_status

ALL = 2**32 - 1
"""to_step: every step there is."""


class Entry(NamedTuple):
    """One record, its payload copied."""

    kind: int
    step: int
    payload: bytes


def fingerprint(text: str) -> int:
    """`bpfree_fingerprint` of settings."""
    raw = text.encode()
    return core().lib.bpfree_fingerprint(core().ffi.from_buffer(raw), len(raw))


def read(data: bytes) -> tuple[list[Entry], int]:
    """Return all records, and where the next one would go: len(data), except before a torn tail.

    Raises what a status stands for. Seals are verified.
    """
    ffi, lib = core().ffi, core().lib
    journal, record, found = ffi.new("bpfree_journal *"), ffi.new("bpfree_journal_record *"), []
    held, seal = ffi.from_buffer("uint8_t *", data), ffi.new("bpfree_seal *")
    check_status(lib.bpfree_journal_open(journal, held, len(data)), "journal")
    lib.bpfree_seal_begin(seal, journal, held)
    while (status := lib.bpfree_journal_next(journal, record)) > 0:
        found.append(Entry(record.type, record.step, bytes(ffi.buffer(record.payload, record.size))))
    check_status(status, f"journal: byte {journal.at}")
    return found, journal.at


def sealed(data: bytes) -> int:
    """Bytes before the last seal, by `bpfree_journal_verify`."""
    count, held = core().ffi.new("uint64_t *"), core().ffi.from_buffer("uint8_t *", data)
    check_status(core().lib.bpfree_journal_verify(held, len(data), count), "journal")
    return count[0]


def up_to_damage(data: bytes) -> tuple[int, int, int]:
    """(status, bytes, steps) of what is good in a journal, by `bpfree_journal_up_to_damage`."""
    journal, held = core().ffi.new("bpfree_journal *"), core().ffi.from_buffer("uint8_t *", data)
    status = core().lib.bpfree_journal_up_to_damage(journal, held, len(data))
    return status, journal.at, journal.step - journal.first_step


def give_up(trainer) -> None:
    """`bpfree_skip`: a NativeTrainer's next step moves nothing."""
    check_status(core().lib.bpfree_skip(trainer.c, trainer.context), "skip")


def replay(trainer, theta, text: str, data: bytes, to_step: int = ALL) -> np.ndarray:
    """theta (n_theta,) after a journal, by `bpfree_journal_replay`.

    trainer: a NativeTrainer; text: its settings. The update's state is then in `trainer.state`.
    """
    ffi, lib = core().ffi, core().lib
    check_status(lib.bpfree_train_init(trainer.c, trainer.context), "train")
    trainer.theta[:] = theta
    journal, held = ffi.new("bpfree_journal *"), ffi.from_buffer("uint8_t *", data)
    arguments = (trainer.c, trainer.context, fingerprint(text), held, len(data), to_step)
    check_status(lib.bpfree_journal_replay(journal, *arguments), "journal")
    return trainer.theta.copy()


class NativeJournal:
    """A journal that C writes, of a NativeTrainer's run: each call returns the bytes to append.

    It begins with what the trainer's theta and step are. program: bytes that a flash writes at once.
    """

    def __init__(self, trainer, text: str, kind: int, program: int = 1):
        self.c, self._trainer, self._text, self._kind = core().ffi.new("bpfree_journal *"), trainer, text.encode(), kind
        self._program, self._seal = program, core().ffi.new("bpfree_seal *")

    def begin(self) -> bytes:
        """The header."""
        t = self._trainer
        arguments = (t.c, t.context, self._kind, self._program, core().ffi.from_buffer(self._text), len(self._text))
        header = self._put(72 + len(self._text), core().lib.bpfree_journal_begin, *arguments)
        core().lib.bpfree_seal_begin(self._seal, self.c, core().ffi.from_buffer("uint8_t *", header))
        return header

    def scalars(self) -> bytes:
        """The coefficients of the step that was made."""
        return self._put(16 + 4 * self.c.n_record, core().lib.bpfree_journal_scalars, self._trainer.context)

    def snapshot(self) -> bytes:
        """theta and state now."""
        size = 16 + 4 * (self.c.n_theta + self.c.n_state)
        return self._put(size, core().lib.bpfree_journal_snapshot, self._trainer.context)

    def event(self, code: int, text: str) -> bytes:
        """A code and text."""
        raw = text.encode()
        arguments = (self._trainer.context, code, core().ffi.from_buffer(raw), len(raw))
        return self._put(20 + len(raw), core().lib.bpfree_journal_event, *arguments)

    def skip(self, reason: int, text: str) -> bytes:
        """The step that was skipped, and why."""
        raw = text.encode()
        arguments = (self._trainer.context, reason, core().ffi.from_buffer(raw), len(raw))
        return self._put(20 + len(raw), core().lib.bpfree_journal_skip, *arguments)

    def seal(self) -> bytes:
        """SHA-256 of all bytes so far."""
        return self._put(48, core().lib.bpfree_journal_seal, self._trainer.context)

    def _put(self, size, function, *arguments) -> bytes:
        room = -(-size // self._program) * self._program
        out = bytearray(room)
        written = function(self.c, *arguments, core().ffi.from_buffer("uint8_t *", out), room)
        check_status(min(written, 0), "journal")
        return bytes(out[:written])
