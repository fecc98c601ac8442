# SPDX-License-Identifier: MIT
"""Workers behind a futures interface: `submit(function, *arguments)` returns a future."""

from __future__ import annotations

import copy
import os
import pickle
import threading
import time
from concurrent.futures import BrokenExecutor, CancelledError, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from queue import Empty, SimpleQueue

import numpy as np

from bpfree.engines.probes import own_of
from bpfree.errors import WorkerError, check_count
from bpfree.executors.parallel import RANGES_PER_WORKER, Job, Parallel, packed_rows, pickled, worker_count

_LOST = (BrokenExecutor, CancelledError)
"""What a future raises when its work was never done; all else is an error of the work itself."""


class Submitted(Parallel):
    """Replies by way of futures; subclasses define `submit`."""

    def submit(self, job: Job, start: int, stop: int):
        """The future of the losses of one range."""
        raise NotImplementedError

    def replies(self, job: Job, ranges: list):
        """As they come; each call has a mailbox of its own, so replies to an earlier one are never looked at."""
        mailbox, futures, awaited = SimpleQueue(), [], {start for start, _ in ranges}
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        try:
            for start, stop in ranges:
                future = self.submit(job, start, stop)
                futures.append(future)
                future.add_done_callback(lambda done, start=start: mailbox.put((start, done)))
            while awaited:
                start, future = mailbox.get(timeout=deadline and max(0.0, deadline - time.monotonic()))
                if start not in awaited:  # told twice
                    continue
                awaited.remove(start)
                try:
                    rows = future.result()
                except _LOST:
                    continue
                yield start, rows
        except Empty:
            return
        finally:
            for future in futures:  # those that nobody waits for any more
                getattr(future, "cancel", bool)()


class Futures(Submitted):
    """An engine that sends the probes of a step to a pool of workers, wherever they are.

    pool: anything with `submit(function, *arguments)` that returns a future with
    `result()` and `add_done_callback(function)`: a pool of concurrent.futures,
    mpi4py's MPIPoolExecutor, `get_executor()` of a Dask Client, joblib's loky.
    The pool stays yours: start it and end it. What is sent with a range of
    probes: theta, the batch, the constants of the model, 32 bytes a probe.

    engine: as in `train`; each worker makes its own of that kind, so an engine
    of your own has to pickle. n_ranges: parts a step's probes are cut into,
    some for each worker.

    timeout: seconds for a step's replies. Default: as long as it takes, nothing
    is lost, and what a dying worker leaves is evaluated here. With a timeout a
    range that has not come by then is dropped, for estimators that can do without
    (RGE averages over the queries that came, CGE has g = 0 at the coordinates
    that did not); the others evaluate it here. The record of a step has it all:
    the journal replays exactly.

    Raises WorkerError when the pool takes no more work; an exception in a
    worker is raised here.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> import numpy as np, bpfree as bf
    >>> data = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> model = bf.Sequential(4, [bf.Linear(2)])
    >>> with ThreadPoolExecutor(2) as pool:
    ...     run = bf.train(model, data, batch_size=4, max_steps=3, engine=bf.Futures(pool, "exact"))
    >>> run.model.hash == bf.train(model, data, batch_size=4, max_steps=3, engine="exact").model.hash
    True
    """

    def __init__(self, pool, engine=None, timeout: float | None = None, n_ranges: int | None = None):
        if not callable(getattr(pool, "submit", None)):
            raise TypeError(f"pool: expected something with submit(function, *arguments), got {pool!r}")
        default = RANGES_PER_WORKER * worker_count(None)
        super().__init__(engine, timeout, default if n_ranges is None else check_count("n_ranges", n_ranges))
        self.pool, self._packed = pool, pickled(self.engine)

    def __deepcopy__(self, memo):
        """All copies have the one pool."""
        return copy.copy(self)

    def around(self, engine):
        """The same pool for another engine."""
        return Futures(self.pool, engine, self.timeout, self.n_ranges)

    def check_sent(self, trainer, batch) -> None:
        """Raise TypeError, before the first step, for rows that do not pickle; threads of a pool need none of it."""
        if not isinstance(self.pool, ThreadPoolExecutor):
            packed_rows(trainer.graph, trainer.loss, own_of(trainer.estimator.direction))

    def submit(self, job: Job, start: int, stop: int):
        """The future of one range."""
        part = replace(job, probes=job.probes[start:stop])
        try:
            return self.pool.submit(evaluate_all, self._packed, part)
        except (BrokenExecutor, RuntimeError) as error:
            raise WorkerError(f"pool: it takes no more work: {error}; make a new one") from error


class Threads(Submitted):
    """An engine that evaluates the probes of a step in threads, one engine each, to the bits of one thread.

    The compiled engine lets the others run while it computes; NumPy does only
    inside large operations, so use `Processes` with the other engines.

    n_workers: default one a processor. engine: as in `train`. One of your own is
    copied for each thread with copy.copy.

    >>> import numpy as np, bpfree as bf
    >>> data = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> run = bf.train(bf.Sequential(4, [bf.Linear(2)]), data, batch_size=4, max_steps=3, engine=bf.Threads(2))
    >>> run.steps
    3
    """

    def __init__(self, n_workers: int | None = None, engine=None):
        self.n_workers = worker_count(n_workers)
        super().__init__(engine, None, RANGES_PER_WORKER * self.n_workers)
        self._pool, self._started, self._engines = None, None, threading.local()

    def __reduce__(self):
        """A copy has threads of its own."""
        return Threads, (self.n_workers, None if self.by_default else self.engine)

    def around(self, engine):
        """As many threads for another engine."""
        return Threads(self.n_workers, engine)

    def submit(self, job: Job, start: int, stop: int):
        """The future of one range; nothing is copied."""
        if self._started != os.getpid():  # threads do not come along when a process forks
            self._pool, self._started = ThreadPoolExecutor(self.n_workers, "bpfree"), os.getpid()
        return self._pool.submit(self._evaluate, job, start, stop)

    def _evaluate(self, job, start, stop):
        if not hasattr(self._engines, "own"):
            self._engines.own = copy.copy(self.engine)
        return job.evaluate(self._engines.own, start, stop)

    def close(self) -> None:
        """End the threads; a later call starts new ones."""
        super().close()
        if self._started == os.getpid():
            self._pool.shutdown()
        self._started = None


def evaluate_all(packed: bytes, part: Job) -> np.ndarray:
    """What a worker does: the losses of all probes of a part of a job, with an engine of its own thread."""
    job = replace(part, graph=_first_equal(part.graph))
    return job.evaluate(_unpacked(packed, threading.get_ident()), 0, len(job.probes))


@lru_cache(maxsize=64)
def _unpacked(packed: bytes, thread: int):
    # An engine keeps what it builds for a graph; so both stay from one range to the next.
    return pickle.loads(packed)


@lru_cache(maxsize=64)
def _first_equal(graph):
    return graph
