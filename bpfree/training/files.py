# SPDX-License-Identifier: MIT
"""What of a run is on the disk: its checkpoint and its journal, begun, kept up, gone on with."""

from __future__ import annotations

import os

from bpfree.errors import check_count, check_path
from bpfree.estimators.step import Outcome
from bpfree.files import remove_drafts
from bpfree.journal import Event, Journal
from bpfree.journal.file import JournalFile, holds_nothing
from bpfree.journal.format import Code, Reason
from bpfree.locks import Lock
from bpfree.settings import check_named
from bpfree.training.checkpoint import Checkpoint, exists, restore
from bpfree.training.run import Run


class RunFiles:
    """Both files of a run; either may be None, then there is nothing to it.

    The order of writing is what makes a cut at any moment harmless: the
    journal's records first, then the checkpoint that points behind them.
    """

    def __init__(self, checkpoint, checkpoint_every, journal, journal_every, resume):
        for name, path in (("checkpoint", checkpoint), ("journal", journal)):
            if path is not None:
                check_path(name, path)
        if checkpoint is not None and journal is not None and os.path.realpath(checkpoint) == os.path.realpath(journal):
            raise ValueError(f"journal: expected another path than the checkpoint's, got {journal}")
        if not isinstance(resume, bool):
            raise TypeError(f"resume: expected True or False, got {resume!r}")
        if resume and checkpoint is None:
            raise ValueError("resume: expected checkpoint=path as well, which is what a run goes on from")
        self.checkpoint, self.journal, self.resume = checkpoint, journal, resume
        self.checkpoint_every = check_count("checkpoint_every", checkpoint_every)
        self.journal_every = None if journal_every is None else check_count("journal_every", journal_every)
        self.identity, self._latest, self._made, self._locks = {}, None, [], []
        self._saved = None

    def check_recoverable(self, trainer) -> None:
        """A journal from which the run could not be rebuilt is refused, and names that nobody could find again."""
        for what, path in (("journal", self.journal), ("checkpoint", self.checkpoint)):
            if path is not None:
                check_named(trainer.settings(), what)
        if self.journal_every is not None:
            if self.journal is None:
                raise ValueError("journal_every: expected journal=path as well, which is where snapshots go")
        elif self.journal is not None and trainer.rows["estimator"].journal == "SNAPSHOT":
            name = trainer.rows["estimator"].name
            what = "a number of steps between snapshots"
            raise ValueError(f"journal_every: expected {what}, as {name} leaves no short record of a step; got None")

    def begin(self, run: Run, identity: dict) -> None:
        """Make the files, or go on with those of a run that was cut off."""
        self.identity = identity
        for name, path in (("checkpoint", self.checkpoint), ("journal", self.journal)):
            if path is not None:
                self._locks.append(Lock(name, path))
        if exists(self.checkpoint) and not self.resume:
            ways = "resume=True goes on from it; or give another path, or delete it"
            raise ValueError(f"checkpoint: expected a path where nothing is yet, got {self.checkpoint}: {ways}")
        if self.resume:
            remove_drafts(self.checkpoint)
        if exists(self.checkpoint):
            self._go_on(run)
        elif self.journal is not None:
            self._start_journal(run)
        if not exists(self.checkpoint):
            self._start_checkpoint(run)
        self.note(run)

    def _start_checkpoint(self, run) -> None:
        """One before the first step, so that a run can always be gone on with."""
        self.note(run)
        if self.checkpoint is not None:
            self.save()
            self._made.append(self.checkpoint)

    def _go_on(self, run) -> None:
        position = restore(self.checkpoint, self.identity, run)
        self._saved = run.next_step
        if self.journal is None:
            run.journal.events = [Event(row.step, Code.VALIDATION, look_text(run, row.value)) for row in run.history]
            return
        if not exists(self.journal):
            raise ValueError(f"journal: the checkpoint {self.checkpoint} goes on in {self.journal}, which is not there")
        run.journal.file = JournalFile.reopen(self.journal, run.journal.header, position, run.next_step)
        written = Journal.read(self.journal)
        run.journal.records, run.journal.skips = written.records, written.skips
        run.journal.events, run.journal.seals = written.events, written.seals

    def _start_journal(self, run) -> None:
        if exists(self.journal):
            # A run that is cut off while it makes its files leaves the beginning of a header.
            if not (self.resume and holds_nothing(self.journal, run.journal.header, run.journal.snapshots)):
                ways = "resume=True and its checkpoint go on with it; or give another path, or delete it"
                raise ValueError(f"journal: expected a path where nothing is yet, got {self.journal}: {ways}")
            os.remove(self.journal)
        run.journal.file = JournalFile.create(self.journal, run.journal.header)
        self._made.append(self.journal)
        for opening in run.journal.snapshots:  # of a run that goes on with a state
            run.journal.file.snapshot(opening.step, opening.theta, [opening.state])

    def steps_skipped(self, run: Run, skipped: list) -> None:
        """Write down the steps that could not be made, now that one after them could, and forget them."""
        for step, failure in skipped:
            run.losses.append(float("nan"))
            run.journal.skip(step, Reason.NUMERIC, failure.text)
        skipped.clear()

    def step_done(self, run: Run, record) -> None:
        """Write down a step that has been made."""
        if run.journal.kind == "SCALARS":
            run.journal.append(record)
        if self.journal_every and run.next_step % self.journal_every == 0:
            run.journal.snapshot(run.next_step, run.model.theta, run.state)

    def note(self, run: Run) -> None:
        """Everything about the steps so far is written down and counted."""
        self._latest = Checkpoint.of(run)

    def save(self) -> None:
        """The checkpoint, of the run when it was last noted."""
        if self.checkpoint is not None:
            if self._latest.run.journal.file:
                self._latest.run.journal.file.sync()
            self._latest.save(self.checkpoint, self.identity)
            self._saved = self._latest.run.first_step + self._latest.steps

    def due(self, run: Run) -> bool:
        """True where it is time for a checkpoint."""
        return run.next_step % self.checkpoint_every == 0

    def last_snapshot(self, run: Run) -> None:
        """A journal of snapshots ends with one of the last step."""
        made = not run.steps or (self.journal_every and run.next_step % self.journal_every == 0)
        if run.journal.kind == "SNAPSHOT" and not (made and run.journal.file):
            run.journal.snapshot(run.next_step, run.model.theta, run.state)

    def went_back(self, run: Run, step: int, name: str) -> None:
        """The run's model is not what its steps have led to, but the one there was before `step`."""
        if run.journal.kind == "SNAPSHOT":
            run.journal.snapshot(run.next_step, run.model.theta, run.state)
        run.journal.event(run.next_step, Code.WENT_BACK, f"{step}: {name}")

    def end(self, run: Run, end: Outcome) -> None:
        """The journal's last words, and its seal."""
        text = end.text if end.text.startswith(end.code) else f"{end.code}: {end.text}"
        run.journal.event(run.next_step, Code.END, text)
        if run.journal.file:
            run.journal.seal()
        self.close(run)

    def interrupted(self, run: Run, error: BaseException) -> None:
        """Leave behind the last whole step, for `resume=True`; nothing of a run that fails before one."""
        try:
            if isinstance(error, Exception) and not run.steps:
                self._close_journal(run)
                for path in self._made:
                    os.remove(path)
                return
            if self._latest and run.journal.file:
                run.journal.file.cut(self._latest.position)
                next_step = run.first_step + self._latest.steps
                run.journal.file.event(next_step, Code.END, f"interrupted: {type(error).__name__}")
                run.journal.file.seal()
            if self._latest:
                self.save()
        except OSError:
            if not isinstance(error, OSError):  # a full disk has been told already
                raise
        finally:
            self._tell_how_to_go_on(error)
            self.close(run)

    def _tell_how_to_go_on(self, error: BaseException) -> None:
        """A note behind the error of a disk that is full, or gone."""
        if isinstance(error, OSError) and self._saved is not None:
            ways = "when the cause is removed, the same call with resume=True goes on there"
            error.add_note(f"{self.checkpoint} is whole, from before step {self._saved:,}: {ways}")

    def close(self, run: Run) -> None:
        """Close the journal's file, and let others write both; the checkpoint is closed already."""
        try:
            self._close_journal(run)
        finally:
            while self._locks:
                self._locks.pop().release()

    def _close_journal(self, run) -> None:
        if run.journal.file:
            file, run.journal.file = run.journal.file, None
            file.close()


def look_text(run: Run, value: float) -> str:
    """The text of a VALIDATION event."""
    return f"{run.metric} {value!r}"
