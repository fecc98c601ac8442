# SPDX-License-Identifier: MIT
"""Worker processes on this machine that read theta and the batch where this process has put them."""

from __future__ import annotations

import os
import pickle
import threading
import time
import weakref
from collections import deque

from bpfree.engines.probes import own_of
from bpfree.executors.parallel import RANGES_PER_WORKER, Job, Parallel, packed_rows, pickled, worker_count
from bpfree.executors.pool import WorkerPool


class Processes(Parallel):
    """An engine that evaluates the probes of a step in processes, to the bits of one.

    theta, batch and probes lie in shared memory; a worker is told a range and
    sends losses. Workers start with the first step (0.3 s), have one BLAS thread
    each, and end with `close`, the `with` block, or this process, however
    it ends; the shared memory has no name, so that none can be left over. A
    worker that dies is replaced. Threads that share one engine wait for each other:
    a call has all workers.

    n_workers: default one a processor. engine: as in `train`; one of your own
    has to pickle, and cannot be defined in the main program.

    timeout: seconds for a step's replies. Default: as long as it takes, nothing
    is lost, and what a dying worker leaves is evaluated here. With a timeout a
    range that has not come by then is dropped, for estimators that can do without
    (RGE averages over the queries that came, CGE has g = 0 at the coordinates
    that did not); the others evaluate it here. The record of a step has it all:
    the journal replays exactly. A worker that is late is replaced.

    Raises WorkerError when workers do not start; an exception in a worker is
    raised here.

    >>> import numpy as np, bpfree as bf
    >>> data = np.eye(4, dtype="f4"), np.arange(4) % 2
    >>> model = bf.Sequential(4, [bf.Linear(2)])
    >>> with bf.Processes(2, "exact") as engine:
    ...     run = bf.train(model, data, batch_size=4, max_steps=3, engine=engine)
    >>> run.model.hash == bf.train(model, data, batch_size=4, max_steps=3, engine="exact").model.hash
    True
    """

    def __init__(self, n_workers: int | None = None, engine=None, timeout: float | None = None):
        self.n_workers = worker_count(n_workers)
        super().__init__(engine, timeout, RANGES_PER_WORKER * self.n_workers)
        pickled(self.engine)  # what cannot be sent is refused here, not in the middle of a run
        self._pool = self._end = self._context = self._packed = None
        self._turn, self._turn_of = threading.Lock(), os.getpid()

    def __reduce__(self):
        """A copy has workers of its own."""
        return Processes, (self.n_workers, None if self.by_default else self.engine, self.timeout)

    def around(self, engine):
        """As many processes for another engine."""
        return Processes(self.n_workers, engine, self.timeout)

    def replies(self, job: Job, ranges: list):
        """Ranges are handed out as workers come free."""
        if self._turn_of != os.getpid():  # a lock that was held when the process forked stays held in the copy
            self._turn, self._turn_of = threading.Lock(), os.getpid()
        with self._turn:
            yield from self._replies(job, ranges)

    def _replies(self, job: Job, ranges: list):
        pool, context = self._ready(), self._pack(job)
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        places = pool.memory.write([job.theta, job.frozen, job.probes, *job.batch.parts])
        todo = deque(ranges)
        while pool.workers:
            for worker in [m for m in pool.workers if m.range is None][: len(todo)]:
                try:
                    worker.give(context, places, *todo.popleft())
                except OSError:
                    pool.discard(worker)
            if all(worker.range is None for worker in pool.workers):
                return
            answering = pool.answers(deadline and max(0.0, deadline - time.monotonic()))
            if not answering:
                return
            for worker in answering:
                yield from _answer(pool, worker)

    def _ready(self) -> WorkerPool:
        """This process's workers; a forked process has none of its parent's."""
        if self._pool is None or self._pool.owner != os.getpid():
            self._pool = WorkerPool()
            self._end = weakref.finalize(self, self._pool.end)
        self._pool.ready(self.n_workers)
        return self._pool

    def check_sent(self, trainer, batch) -> None:
        """Raise TypeError, before the first step, for rows that do not pickle, and for y of Python objects."""
        packed_rows(trainer.graph, trainer.loss, own_of(trainer.estimator.direction), main=False)
        if batch.targets is not None and batch.targets.dtype.hasobject:
            raise TypeError(f"y: expected numbers or texts, which processes can share, got {batch.targets.dtype}")

    def _pack(self, job: Job) -> tuple[bytes, bytes]:
        """What workers keep from one job to the next."""
        context = job.graph, job.loss, job.own
        if self._context is None or any(new is not old for new, old in zip(context, self._context, strict=True)):
            self._context, self._packed = context, (pickled(self.engine), packed_rows(*context, main=False))
        return self._packed

    def close(self) -> None:
        """End the workers; a later call starts new ones."""
        super().close()
        if self._pool is not None:
            self._end()
            self._pool = None


def _answer(pool: WorkerPool, worker):
    """The reply of a worker: (start, losses), or nothing if it has died; its exception is raised."""
    start, _ = worker.range
    try:
        rows, error = worker.take()
    except (EOFError, OSError):
        pool.discard(worker)
        return
    if error is not None:
        raise pickle.loads(error)
    yield start, rows
