# SPDX-License-Identifier: MIT
"""A worker process of `Processes`: reads what is asked from one socket, and answers there until it is closed."""

from __future__ import annotations

import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection

from bpfree.engines.batch import Batch
from bpfree.executors.parallel import Job
from bpfree.executors.shared import SharedArrays

READY = "ready"


def main() -> None:
    """Serve; the arguments are two file descriptors: the socket and the shared memory."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # where all processes of a service get it, the run decides
    channel, memory = Connection(int(sys.argv[-2])), SharedArrays(int(sys.argv[-1]))
    try:
        serve(channel, memory)
    except (EOFError, ConnectionError):  # it has closed the socket, or is gone
        pass


def serve(channel, memory) -> None:
    """Answer (context or None, places, start, stop) with (losses, None) or (None, what went wrong)."""
    channel.send(READY)
    context = None
    while True:
        news, places, start, stop = channel.recv()
        try:
            context = tuple(map(pickle.loads, news)) if news is not None else context
            answer = evaluate(context, memory.read(places), start, stop), None
        except Exception as error:
            answer = None, packed_error(error)
        channel.send(answer)


def evaluate(context, arrays, start: int, stop: int):
    """Losses of a range of probes; context: engine, and (graph, loss, direction of one's own)."""
    engine, (graph, loss, own) = context
    theta, frozen, probes, *parts = arrays
    return Job(graph, theta, frozen, Batch(*parts), loss, probes, own).evaluate(engine, start, stop)


def packed_error(error: Exception) -> bytes:
    """An exception for another process, with where it came from; a RuntimeError of its text if it does not pickle."""
    note = "in a worker process:\n" + "".join(traceback.format_exception(error)).rstrip()
    for candidate in (error, RuntimeError(f"{type(error).__name__}: {error}")):
        candidate.add_note(note)
        try:
            packed = pickle.dumps(candidate)
            pickle.loads(packed)
            break
        except Exception:  # it depends on the exception's class what goes wrong, and when
            continue
    return packed
