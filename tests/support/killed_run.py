"""A run that kills itself: `python killed_run.py FOLDER CASE MOMENT`. Used by test_checkpoint.py.

MOMENT is "never", or what:number, the how manieth time it happens: step (done), record (half of it
written), draft (of a checkpoint, half of it written), replace, replaced (before and after it takes
the old one's place). What the run came to is printed as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

import bpfree as bf
from bpfree import files
from bpfree.journal.file import JournalFile

CASES = {
    "sgd": {"estimator": bf.RGE(2), "update": bf.SGD(0.02)},
    "adam": {"estimator": bf.RGE(3, grouping="layer"), "update": bf.chain(bf.clip(0.5), bf.Adam(0.02))},
}
STEPS = 60


def data():
    """(x, y) for three classes; the same everywhere."""
    x = np.random.default_rng(5).normal(size=(90, 6)).astype(np.float32)
    return x, (x[:, 0] > 0) * 1 + (x[:, 1] > 0)


def settings(case):
    """Return the arguments of train, except for the model, the data and the files."""
    return {
        **CASES[case], "max_steps": STEPS, "batch_size": 12, "validation": 0.2, "validate_every": 7, "patience": 6,
        "checkpoint_every": 8, "journal_every": 25, "engine": "compiled", "seed": 9,
    }  # fmt: skip


def run(folder, case, **changed):
    """The run, whose files lie in the folder."""
    model = bf.Sequential(6, [bf.Linear(8), bf.Tanh(), bf.Linear(3)], seed=1)
    paths = {"checkpoint": Path(folder, "run.ckpt"), "journal": Path(folder, "run.journal")}
    return bf.train(model, data(), **{**settings(case), **paths, "resume": True, **changed})


def results(done):
    """Return what must be equal, as JSON has it."""
    return {
        "hash": done.model.hash,
        "losses": done.losses,
        "history": [list(row[:4]) for row in done.history],  # not the seconds
        "best": [done.best.step, done.best.value, done.best.model.hash],
        "counts": [done.steps, done.forwards, done.evaluations, done.quiet],
        "outcome": [done.outcome_code, done.outcome],
        "records": [record.tolist() for record in done.journal.records],
        "events": [list(event) for event in done.journal.events],
        "state": [part.tolist() for part in done.state],
    }


class Killer:
    """Counts what happens, and ends the process at the moment asked for."""

    def __init__(self, moment):
        self.what, _, number = moment.partition(":")
        self.left = int(number or 0)

    def happens(self, what, before=lambda: None):
        """Once more."""
        if what == self.what:
            self.left -= 1
            if self.left == 0:
                before()
                os.kill(os.getpid(), signal.SIGKILL)


def install(killer):
    """Have the places where files are written tell the killer."""
    write, replace = JournalFile._write, os.replace

    def half_record(self, data):
        killer.happens("record", lambda: (self._file.write(data[: len(data) // 2]), self._file.flush()))
        write(self, data)

    def watched_replace(*paths):
        killer.happens("replace")
        replace(*paths)
        killer.happens("replaced")

    class Draft:
        def __init__(self, *arguments):
            self.file = open(*arguments)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            killer.happens("draft", lambda: (self.file.write(data[: len(data) // 2]), self.file.flush()))
            self.file.write(data)

        def __getattr__(self, name):
            return getattr(self.file, name)

    JournalFile._write, os.replace, files.open = half_record, watched_replace, Draft


if __name__ == "__main__":
    folder, case, moment = sys.argv[1:]
    killer = Killer(moment)
    install(killer)
    # NumPy alone starts faster than the core, and has the same bits.
    done = run(folder, case, callbacks=lambda step, run: killer.happens("step"), engine="exact")
    print(json.dumps(results(done)))
