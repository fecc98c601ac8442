# SPDX-License-Identifier: MIT
"""Checkpoints: everything a run needs to go on as if it had never stopped, in one .npz without pickle."""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bpfree.errors import FormatError, check_version
from bpfree.estimators.divergence import DIVERGED_STEPS
from bpfree.files import read_arrays, write_atomically
from bpfree.graph import SCHEMA, theta_hash
from bpfree.journal import Skip
from bpfree.journal.file import Position
from bpfree.journal.format import Reason
from bpfree.settings import differences, load
from bpfree.training.run import Best, Run, Validation
from bpfree.training.state import State, names_of

VERSION = 2
"""Of the checkpoint's own fields; graph, theta and frozen are those of a saved model."""

_ARRAYS = ("theta", "frozen", "state", "losses", "history", "best", "records")
NAMES = ("schema", "graph", "checkpoint", *_ARRAYS)


@dataclass(frozen=True)
class Checkpoint:
    """A run after a step, by reference: the lists are the run's own, of which the first so many count.

    Made anew after every step, so that one which is cut short by an interrupt leaves the last one whole.
    """

    run: Run
    theta: np.ndarray
    state: list
    best: Best | None
    steps: int
    looks: int
    counts: tuple
    position: Position | None

    @classmethod
    def of(cls, run: Run) -> Checkpoint:
        """The run as it is now."""
        counts = (run.quiet, run.evaluations, run.forwards, run.seconds)
        position = run.journal.file and run.journal.file.position
        return cls(run, run.model.theta, run.state, run.best, run.steps, len(run.history), counts, position)

    def save(self, path, identity: dict) -> None:
        """Write it whole or not at all; `identity` says which run it belongs to."""
        run, journal = self.run, self.run.journal
        # A journal's file has the records already.
        records = [] if self.position else journal.records[: self.steps]
        arrays = {
            "theta": self.theta,
            "frozen": run.model.frozen,
            "state": flat(self.state),
            "losses": np.array(run.losses[: self.steps], np.float64),
            "history": np.array(run.history[: self.looks], np.float64).reshape(-1, len(Validation._fields)),
            "best": self.best.model.theta if self.best else np.zeros(0, np.float32),
            "records": np.array(records, np.float32).reshape(len(records), *journal.header.record_shape),
        }
        document = {
            "version": VERSION,
            "identity": identity,
            "counts": self.counts,
            "bound": self.run.bound,
            "best": self.best and (self.best.step, self.best.value),
            "position": self.position,
            "skips": [] if self.position else journal.skips,
            "arrays": {name: _crc(array) for name, array in arrays.items()},
        }
        stream = io.BytesIO()
        document["crc"] = _crc_of(json.loads(json.dumps(document)))
        checkpoint, graph = json.dumps(document), run.model.graph.to_json()
        np.savez(stream, schema=np.uint32(SCHEMA), graph=graph, checkpoint=checkpoint, **arrays)
        write_atomically(path, stream.getvalue())


def restore(path, identity: dict, run: Run) -> Position | None:
    """Bring a run that has not begun to where a checkpoint left it; returns the place in its journal's file.

    Raises ValueError naming what differs when it is the checkpoint of another
    run, FormatError when it is none.
    """
    fields = read_arrays(path, NAMES, what="bpfree checkpoint")
    try:
        document = json.loads(str(fields["checkpoint"]))
        check_version(document["version"], VERSION)
        differ = differences(document["identity"], identity, "the checkpoint")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path}: not a bpfree checkpoint: {error}") from None
    if differ:
        ways = "resume with the settings and data it was made with, or give another path"
        raise ValueError(f"checkpoint: {path} is of another run; {differ}: {ways}")
    try:
        check_agreement(fields, document)
        return _fill(run, fields, document)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise FormatError(f"{path}: not a bpfree checkpoint: {error}") from None


def _fill(run, fields, document) -> Position | None:
    graph, state = run.model.graph, run.trainer.initial_state(run.model.theta)
    theta, values = (_floats(fields, name, size) for name, size in (("theta", graph.n_theta), ("state", _size(state))))
    ends = np.cumsum([part.size for part in state])[:-1]
    history = fields["history"].reshape(-1, len(Validation._fields))
    position = document["position"] and Position(*map(int, document["position"]))
    run.model.theta = theta
    run.losses = fields["losses"].astype(np.float64).reshape(-1).tolist()
    parts = [part.copy() for part in np.split(values, ends)] if state else []
    run.state = State(parts, run.journal.settings, run.next_step, names_of(graph))
    run.history = [Validation(int(s), v, int(f), int(e), t) for s, v, f, e, t in history.tolist()]
    run.quiet, run.evaluations, run.forwards = map(int, document["counts"][:3])
    run.seconds = float(document["counts"][3])
    made = [loss for loss in run.losses if not np.isnan(loss)]
    bound = float(document.get("bound", "inf"))  # which older checkpoints do not have
    run.course = replace(run.course, first=made[0], bound=bound, recent=made[-DIVERGED_STEPS:]) if made else run.course
    if document["best"]:
        step, value = document["best"]
        best = _floats(fields, "best", graph.n_theta)
        run.best = Best(int(step), float(value), type(run.model)(graph, best, run.model.frozen))
    if position is None:
        run.journal.skips = [Skip(int(step), Reason(code), str(text)) for step, code, text in document.get("skips", [])]
        shape = run.journal.header.record_shape
        run.journal.records = [record.copy() for record in fields["records"].reshape(-1, *shape)]
    return position


def check_agreement(fields, document) -> None:
    """Raise ValueError unless the arrays of a checkpoint are of one moment of one run."""
    written = document.pop("crc", None)
    if written not in (None, _crc_of(document)):  # None: checkpoints of before have none
        raise ValueError(f"checkpoint: expected CRC {written}, as its numbers were written, got {_crc_of(document)}")
    for name, crc in document.get("arrays", {}).items():  # checkpoints of before have none
        if name in _ARRAYS and _crc(fields[name]) != crc:
            raise ValueError(f"{name}: expected CRC {crc}, as it was written with the other arrays, got another one")
    identity, steps, n_records = document["identity"], len(fields["losses"]), len(fields["records"])
    in_here = identity["journal"] == "SCALARS" and document["position"] is None
    made = steps - len(document.get("skips", []))  # which older checkpoints do not have
    if n_records != (made if in_here else 0):
        elsewhere = "none, as a journal's file has them or there are none"
        what = "as many as losses of steps that were made" if in_here else elsewhere
        raise ValueError(f"records: expected {what} ({steps:,} losses), got {n_records:,}")
    first = identity["first_step"] or 0
    history = fields["history"].reshape(-1, len(Validation._fields))
    looks, best = history[:, 0].tolist(), document["best"]
    if looks != sorted(set(looks)) or not all(first < look <= first + steps for look in looks):
        raise ValueError(f"history: expected steps that grow from {first + 1} to {first + steps} at most, got {looks}")
    if best and (best[0] > first + steps or dict(zip(looks, history[:, 1].tolist())).get(best[0], best[1]) != best[1]):
        raise ValueError(f"best: expected one of the validations in history, got {best}")
    if not all(0 <= count < 2**63 for count in document["counts"]):
        raise ValueError(f"counts: expected numbers in [0, 2^63), got {document['counts']}")
    if not np.isfinite(fields["theta"]).all():
        raise ValueError("theta: expected finite numbers, got some that are not")


def _crc_of(document) -> str:
    """The CRC of a document as it comes out of JSON."""
    return f"{zlib.crc32(json.dumps(document, sort_keys=True).encode()):08x}"


def _crc(array) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(array)):08x}"


def _floats(fields, name, size) -> np.ndarray:
    """A copy of a vector of float32 of this length."""
    values = fields[name]
    if values.dtype != np.float32 or values.shape != (size,):
        raise ValueError(f"{name}: expected {size} float32 numbers, got {values.dtype} of shape {values.shape}")
    return values.copy()


def _size(state) -> int:
    return sum(part.size for part in state)


def flat(state) -> np.ndarray:
    """A state's arrays one after the other, (n_state,) float32."""
    return np.concatenate([np.zeros(0, np.float32), *state])


def identify(run: Run, validation, **settings) -> dict:
    """What must be the same for a run to go on exactly, in numbers and words that a message can show.

    validation: a batch, a share or None. A state that the run began with counts by its CRC-32.
    """
    opening = [f"CRC {zlib.crc32(snapshot.state):08x}" for snapshot in run.journal.snapshots]
    return {
        **load(run.journal.settings),
        "theta": run.journal.base_hash,
        "frozen": theta_hash(run.model.frozen),
        "first_step": run.first_step or None,
        "state": opening[0] if opening else None,
        "validation": validation if validation is None or isinstance(validation, float) else fingerprint(validation),
        **settings,
    }


def fingerprint(batch) -> str:
    """Types, shapes and CRC-32 of a batch's arrays."""
    parts = [part for part in batch.parts if part is not None]
    return ", ".join(f"{part.dtype}{list(part.shape)} CRC {zlib.crc32(_bytes(part)):08x}" for part in parts)


def _bytes(part):
    """The bytes of an array, which may be a user's own rows of y."""
    if part.dtype.hasobject:
        expected = "numbers or texts, whose bytes say whether they are the same"
        raise TypeError(f"y: expected an array of {expected}, for a checkpoint; got {part.dtype}")
    return part if part.dtype.kind in "biuf" and part.flags.c_contiguous else part.tobytes()


def exists(path) -> bool:
    """True where there is something at this path."""
    return path is not None and Path(path).exists()
