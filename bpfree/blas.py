# SPDX-License-Identifier: MIT
"""The threads of BLAS: one where products are small, as waking and awaiting others takes longer than the products."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager

SMALL = 1 << 31
"""Multiply-accumulates of the largest product up to which one thread is taken.

Measured with two OpenBLAS threads on two cores that others use too, of a least-squares step (J^T J, Cholesky, three
products): 0.02 of the speed of one thread where it takes 8e7, 0.14 at 2.1e9, 0.44 at 1.2e10. So on a busy machine
nothing is lost; with the cores to itself, where larger products may gain, it was not measured.
"""


class _Held:
    """Libraries that are held at one thread while at least one block is inside.

    Blocks are counted: the first one in remembers the numbers, the last one out sets them again, in whatever order and
    on whatever threads they end.
    """

    def __init__(self):
        self.inside, self.before = 0, {}

    def enter(self, libraries) -> None:
        """Set one thread, also in libraries that were loaded since the first block began."""
        for library in libraries:
            if library.filepath not in self.before:
                self.before[library.filepath] = library, library.get_num_threads()
                _set(library, 1)
        self.inside += 1

    def leave(self) -> None:
        """Set the numbers of before, unless another block is inside or somebody else has set one meanwhile."""
        self.inside -= 1
        if not self.inside:
            for library, number in self.before.values():
                if library.get_num_threads() == 1:
                    _set(library, number)
            self.before = {}


class _Blas:
    """The BLAS libraries of the process: most have one number for all threads, those of OpenMP one for each."""

    def __init__(self):
        self.lock, self.process, self.thread = threading.Lock(), _Held(), threading.local()
        self.seen, self.libraries = 0, ()

    @property
    def held(self) -> tuple[_Held, _Held]:
        """Return the counts of open blocks: that of the process, and that of this thread."""
        if not hasattr(self.thread, "held"):
            self.thread.held = _Held()
        return self.process, self.thread.held

    def enter(self) -> None:
        """Hold all libraries at one thread."""
        with self.lock:
            libraries = self.loaded()
            for held, own in zip(self.held, (False, True)):
                held.enter([library for library in libraries if _is_per_thread(library) == own])

    def leave(self) -> None:
        """Give them back."""
        with self.lock:
            for held in self.held:
                held.leave()

    def loaded(self):
        """Return the libraries; looking for them takes a millisecond, so only after something was imported."""
        from threadpoolctl import ThreadpoolController  # `import bpfree` does without

        if self.seen != len(sys.modules):
            self.libraries = ThreadpoolController().select(user_api="blas").lib_controllers
            self.seen = len(sys.modules)
        return self.libraries

    def forked(self) -> None:
        """Take a new lock in a forked process: the thread that held the old one is not there to release it."""
        self.lock = threading.Lock()


def _is_per_thread(library) -> bool:
    return library.internal_api == "openblas" and library.threading_layer == "openmp"


def _set(library, number: int) -> None:
    """Set the number, from whatever thread: threadpoolctl listens only to the one that first set one, unless told."""
    release = getattr(library, "clear_controlling_thread", lambda force: None)
    release(force=True)
    library.set_num_threads(number)
    release(force=True)


_BLAS = _Blas()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_BLAS.forked)


@contextmanager
def threads_for(macs: float):
    """Within the block BLAS has one thread, if the largest product there is of fewer than SMALL multiply-accumulates.

    For a whole run or solve, not for each of its products. Larger ones have the threads that the process has.

    >>> from threadpoolctl import threadpool_info
    >>> with threads_for(1e6):
    ...     {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} <= {1}
    True
    """
    if macs >= SMALL:
        yield
        return
    _BLAS.enter()
    try:
        yield
    finally:
        _BLAS.leave()
