# SPDX-License-Identifier: MIT
"""What all executors share: cut the probes into ranges, file the replies, make up for those that do not come."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from os import cpu_count

import numpy as np

from bpfree.engines import get_engine
from bpfree.engines.cost import cost_of
from bpfree.engines.probes import Probes, pack
from bpfree.errors import check_count, check_positive

RANGES_PER_WORKER = 4
"""Ranges are handed out as workers come free, so that a slow one does not hold up the step."""


@dataclass(frozen=True)
class Job:
    """One call of `evaluate`. theta, frozen and the batch are only read. own: the direction of one's own, or None."""

    graph: object
    theta: np.ndarray
    frozen: np.ndarray
    batch: object
    loss: object
    probes: np.ndarray
    own: object = None

    def evaluate(self, engine, start: int, stop: int) -> np.ndarray:
        """Losses (stop - start, B) of these probes."""
        probes = Probes(self.probes[start:stop], self.own)
        values, _ = engine.evaluate(self.graph, self.theta, self.frozen, self.batch, self.loss, probes)
        return values


class Parallel:
    """An engine around another: `evaluate` is shared out, the rest is done here by `engine`.

    lost: probes whose losses no worker sent, so far; dropped or evaluated here. by_default: whether
    nobody chose the engine. Subclasses define `replies`, `around`, and `close` where there is something to end.
    """

    def __init__(self, engine, timeout, n_ranges: int):
        self.engine, self.n_ranges, self.by_default = get_engine(engine), n_ranges, engine is None
        self._lost, self._in_python = 0, None
        if isinstance(self.engine, Parallel):
            raise TypeError(f"engine: expected one that computes, got {self.engine!r}")
        self.timeout = None if timeout is None else check_positive("timeout", timeout)

    @property
    def lost(self) -> int:
        """Probes whose losses no worker sent, so far."""
        return self._lost + (self._in_python.lost if self._in_python else 0)

    def around(self, engine):
        """Such workers around another engine."""
        raise NotImplementedError

    def in_python(self):
        """Such workers of the reference engine, for rows that C does not have; they end with these."""
        if self._in_python is None:
            self._in_python = self.around("reference")
        return self._in_python

    def replies(self, job: Job, ranges: list):
        """Yield (start, losses of the probes from there on) as they come, each range once.

        Ends when all have come, or no more will: a worker has died, or self.timeout seconds are over.
        """
        raise NotImplementedError

    def evaluate(self, graph, theta, frozen, batch, loss, probes) -> tuple[np.ndarray, int]:
        """Losses (probes, n) of every sample at every probe, and their cost.

        What workers do not send is evaluated here. The cost is that of one engine: it does
        not depend on how many workers share the probes, or on what each of them keeps.
        """
        job = Job(graph, theta, frozen, batch, loss, pack(probes), getattr(probes, "own", None))
        values, arrived = self._gather(job)
        for start, stop in _gaps(arrived):
            rows = job.evaluate(self.engine, start, stop)
            values = _room(values, rows, job)
            values[start:stop] = rows
        return values, self._cost(job)

    def evaluate_in_time(self, graph, theta, frozen, batch, loss, probes):
        """(losses (probes, n), cost, arrived (probes,)): rows that did not arrive mean nothing; some always do.

        Without a timeout all arrive, as `evaluate` makes sure. The cost is that of all probes.
        """
        job = Job(graph, theta, frozen, batch, loss, pack(probes), getattr(probes, "own", None))
        if self.timeout is not None:
            values, arrived = self._gather(job)
            if arrived.any():
                return values, self._cost(job), arrived
        return *self.evaluate(graph, theta, frozen, batch, loss, probes), np.ones(len(job.probes), bool)

    def _cost(self, job: Job) -> int:
        return cost_of(self.engine, job.graph, Probes(job.probes), len(job.batch))

    def _gather(self, job: Job):
        """Replies, each filed under its range."""
        values, arrived = None, np.zeros(len(job.probes), bool)
        ranges = cut(len(job.probes), self.n_ranges)
        if len(ranges) < 2:  # not worth the way
            return values, arrived
        for start, rows in self.replies(job, ranges):
            values, stop = _room(values, rows, job), start + len(rows)
            values[start:stop], arrived[start:stop] = rows, True
        self._lost += int((~arrived).sum())
        return values, arrived

    def predict(self, graph, theta, frozen, x) -> np.ndarray:
        """Outputs (n, outputs) of x (n, features), here."""
        return self.engine.predict(graph, theta, frozen, x)

    def apply(self, trainer, theta, state, step, coefficients):
        """One step from its record, here."""
        return self.engine.apply(trainer, theta, state, step, coefficients)

    def __getattr__(self, name: str):
        """What else the engine can do, its name and precision among it, is done here."""
        if name.startswith("__") or name == "engine":
            raise AttributeError(name)
        return getattr(self.engine, name)

    def check_sent(self, trainer, batch) -> None:
        """Raise, before the first step, where something of a run cannot be sent to the workers; here all can."""

    def close(self) -> None:
        """End the workers; a later call starts new ones."""
        if self._in_python is not None:
            self._in_python.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def cut(n: int, parts: int) -> list[tuple[int, int]]:
    """At most so many ranges (start, stop) of n probes, in order, none empty; two-sided pairs stay together.

    >>> cut(10, 3)
    [(0, 2), (2, 6), (6, 10)]
    """
    pairs = -(-n // 2)
    parts = min(parts, pairs)
    edges = [min(n, 2 * (k * pairs // parts)) for k in range(parts + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def worker_count(value) -> int:
    """n_workers, checked; None: one a processor."""
    return check_count("n_workers", (cpu_count() or 1) if value is None else value, 1, 4096)


def pickled(engine) -> bytes:
    """An engine as it is sent to workers."""
    try:
        return pickle.dumps(engine)
    except Exception as error:  # pickle raises what it likes
        raise TypeError(f"engine: expected one that pickles, as each worker needs its own, got {engine!r}") from error


_SENT = "expected rows that pickle, as worker processes need them"
_WAY = "put its functions at the top of a module that the program imports"


def packed_rows(graph, loss, own, main: bool = True) -> bytes:
    """Graph, loss and direction as they are sent to workers; main: whether they have this program's main module.

    Raises TypeError naming what cannot be sent.
    """
    named = [(node.label, node.op) for node in graph.nodes]
    named += [(f"loss {loss.name!r}", loss), *([(f"direction {own.name!r}", own)] if own else [])]
    for label, row in named:
        try:
            packed = pickle.dumps(row)
        except Exception as error:  # pickle raises what it likes
            raise TypeError(f"engine: {_SENT}, got {label}: {error}: {_WAY}") from error
        if not main and b"__main__" in packed:
            raise TypeError(f"engine: {_SENT}, got {label} of the main program: {_WAY}")
    return pickle.dumps((graph, loss, own))


def _gaps(arrived):
    """(start, stop) of every run of False."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], arrived, [True]]).astype(np.int8)))
    return zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True)


def _room(values, rows, job):
    return np.empty((len(job.probes), *rows.shape[1:]), rows.dtype) if values is None else values
