# SPDX-License-Identifier: MIT
"""Ctrl-C as a request: the run ends after its step, so that nothing is half done."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager

import click


class Stop:
    """asked: has somebody pressed Ctrl-C?"""

    asked = False


@contextmanager
def asked_to_stop():
    """Yield a Stop that the first Ctrl-C sets; the second interrupts at once, as ever."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield stop
        return

    def note(number, frame):
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        click.echo("\nending after this step (Ctrl-C again: at once)", err=True)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
