# SPDX-License-Identifier: MIT
"""Treats Ctrl-C and SIGTERM as a request to end the run after the current step, so that nothing is left half done."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress

_AGAIN = {signal.SIGINT: "press Ctrl-C again to end at once", signal.SIGTERM: "a second SIGTERM ends it at once"}
"""The signals that ask, and what to do where that takes too long."""


class Stop:
    """The wish to stop that Ctrl-C or SIGTERM told a command of."""

    signal: int | None = None
    """The first that came; None while there was none."""

    over = False
    """Whether no steps are taken any more, so that the first ends the command as it usually does."""

    task = "ending after this step"
    """Words for what the command does when a signal comes, such as "ending after this step"."""

    @property
    def asked(self) -> bool:
        """Whether one came."""
        return self.signal is not None

    @property
    def name(self) -> str:
        """What people call the signal that came: Ctrl-C or SIGTERM."""
        return "SIGTERM" if self.signal == signal.SIGTERM else "Ctrl-C"

    @property
    def exit_code(self) -> int:
        """128 plus the signal, as in shells: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)


class StoppedAtOnce(KeyboardInterrupt):
    """A second Ctrl-C or SIGTERM, or one after the last step: what is going on ends where it is."""

    def __init__(self, number: int):
        super().__init__()
        self.exit_code = 128 + number


@contextmanager
def asked_to_stop():
    """Yield a Stop that the first Ctrl-C or SIGTERM sets; the second one interrupts at once, as Ctrl-C usually does."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stop
        return

    def note(number, frame):
        if stop.asked or stop.over:
            raise StoppedAtOnce(number)
        stop.signal = number
        with suppress(OSError):  # straight away, as the interrupted code may be writing to the stream itself
            os.write(2, f"\n{stop.task} ({_AGAIN[number]})\n".encode())

    before = {number: signal.signal(number, note) for number in _AGAIN}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
