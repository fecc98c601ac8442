# SPDX-License-Identifier: MIT
"""Worker processes as the one that started them sees them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from multiprocessing.connection import Connection, wait

from bpfree.errors import WorkerError
from bpfree.executors.shared import SharedArrays
from bpfree.executors.worker import READY

START_S = 60.0
"""A worker that is not ready by then will never be: starting takes about 0.3 s."""

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from bpfree.executors.worker import main; main()"


class WorkerProcess:
    """One process, started afresh: nothing of this one's memory, threads or locks, and no __main__, goes along."""

    def __init__(self, memory: SharedArrays):
        ours, theirs = socket.socketpair()
        descriptors = theirs.fileno(), memory.descriptor
        path = json.dumps([entry or os.getcwd() for entry in sys.path])
        with ours, theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, path, *map(str, descriptors)],
                env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}, stdin=subprocess.DEVNULL, pass_fds=descriptors,
                process_group=0,  # Ctrl-C is for this process, which ends the workers
            )  # fmt: skip
            self.channel = Connection(ours.detach())
        self.context = None
        self.range = None
        """What it is working at."""

    def wait_until_ready(self) -> None:
        """Raises WorkerError when it does not start."""
        try:
            if self.channel.poll(START_S) and self.channel.recv() == READY:
                return
            why = f"not ready after {START_S:g} s"
        except (EOFError, OSError):
            why = f"it ended with status {self.process.wait()}"
        raise WorkerError(f"a worker process did not start: {why}; its messages are on stderr")

    def give(self, context, places: list, start: int, stop: int) -> None:
        """Have it evaluate a range; context goes along when it is new. Raises OSError when the process is dead."""
        news, self.context, self.range = None if context is self.context else context, context, (start, stop)
        self.channel.send((news, places, start, stop))

    def take(self):
        """Its answer, as `worker.serve` sends it. Raises EOFError or OSError when the process is dead."""
        answer = self.channel.recv()
        self.range = None
        return answer

    def end(self) -> None:
        """End the process at once, as it has nothing to lose."""
        self.process.kill()
        self.process.wait()
        self.channel.close()


class WorkerPool:
    """So many workers and the memory they share with this process."""

    def __init__(self):
        self.memory, self.workers, self.owner = SharedArrays(), [], os.getpid()

    def ready(self, n: int) -> None:
        """n idle workers: dead ones, and those still busy with what nobody waits for any more, are replaced."""
        for worker in [m for m in self.workers if m.range is not None or m.process.poll() is not None]:
            self.discard(worker)
        new = []
        while len(self.workers) < n:
            new.append(WorkerProcess(self.memory))
            self.workers.append(new[-1])
        try:
            for worker in new:
                worker.wait_until_ready()
        except BaseException:  # Ctrl-C too: none is left that has not been heard of
            for worker in new:
                self.discard(worker)
            raise

    def discard(self, worker: WorkerProcess) -> None:
        """Without this one."""
        self.workers.remove(worker)
        worker.end()

    def answers(self, timeout: float | None) -> list[WorkerProcess]:
        """The workers with an answer, or dead, once there are some; [] when time is up."""
        busy = {m.channel: m for m in self.workers if m.range is not None}
        return [busy[channel] for channel in wait(list(busy), timeout)]

    def end(self) -> None:
        """End the workers and give the memory back; in a forked copy of the process there is nothing to end."""
        if os.getpid() == self.owner:
            while self.workers:
                self.workers.pop().end()
            self.memory.close()
