# SPDX-License-Identifier: MIT
"""Locks, between processes and between the runs of one: a file is written by one run at a time."""

from __future__ import annotations

import errno
import os
import re
import stat
import warnings
import weakref
from contextlib import suppress
from pathlib import Path

from bpfree.files import short_name

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

_OPENING = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_FAR = 1 << 30
"""The byte that is locked on Windows, where a locked one cannot be read; the process number lies before it."""

_TAKEN = (errno.EAGAIN, errno.EACCES)
_HELD = weakref.WeakSet()


class Lock:
    """The right to write a file, until `release`. Raises ValueError, with the number of the process that has it.

    The system holds the lock, on a file .NAME.lock beside the file, and lets go
    of it when the process ends, however it does: what `kill -9` leaves behind is
    taken over. In the lock file is the number of the process. The holder removes
    it; who has opened it before that sees that it is gone, and opens the next.
    """

    def __init__(self, name: str, path):
        self.path = _beside(Path(os.path.realpath(path)))
        self._descriptor = self._open(name, path)
        while not self._is_there():
            os.close(self._descriptor)
            self._descriptor = self._open(name, path)
        _HELD.add(self)
        with suppress(OSError):  # on a full disk it is a lock all the same
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, b"%d\n" % os.getpid())

    def release(self) -> None:
        """Let the next one write."""
        if self._descriptor is None:
            return
        if fcntl and self._is_there():  # while it is held, so that it is not the next one's
            self.path.unlink(missing_ok=True)
        _HELD.discard(self)
        self.forget()
        if not fcntl:
            with suppress(OSError):  # Windows removes no file that another one has open
                self.path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Close the lock file; where a forked process does that, the first one keeps the lock."""
        os.close(self._descriptor)
        self._descriptor = None

    def _open(self, name, path) -> int:
        """The lock file, locked."""
        try:
            descriptor = os.open(self.path, _OPENING, 0o644)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self._foreign(name) from None
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise self._foreign(name)
            owner = os.read(descriptor, 32)
            if not re.fullmatch(rb"(\d{1,10}\n)?", owner):
                raise self._foreign(name)
            if not _taken(descriptor):
                by = f"process {int(owner)}" if owner else "another process"
                expected, ways = "a file that no run is writing", "wait for its end, or give another path"
                raise ValueError(f"{name}: expected {expected}, got {path}, in use by {by}: {ways}")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _foreign(self, name) -> ValueError:
        return ValueError(f"{name}: expected a lock file or nothing at {self.path}, got something else: remove it")

    def _is_there(self) -> bool:
        """Return whether the lock file is the one that was opened: its last holder may have removed it since."""
        try:
            there, ours = os.stat(self.path), os.fstat(self._descriptor)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _beside(place: Path) -> Path:
    """The lock file of a file, whose name may be as long as names can be."""
    return place.with_name(f".{short_name(place.name)}.lock")


def _taken(descriptor) -> bool:
    """Take the lock without waiting; return False where another has it."""
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        told = f"this file system has no locks ({error.strerror}): see to it that no second run writes the same files"
        warnings.warn(told, RuntimeWarning, stacklevel=2)
    return True


def _forget_all() -> None:
    for lock in list(_HELD):
        lock.forget()
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)  # a child that outlives this process holds no lock of it
