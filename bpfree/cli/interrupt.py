# SPDX-License-Identifier: MIT
"""Treats Ctrl-C as a request to end the run after the current step, so that nothing is left half done."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager

import click


class Stop:
    """A flag that Ctrl-C sets."""

    asked = False
    """Whether Ctrl-C has been pressed."""


@contextmanager
def asked_to_stop():
    """Yield a Stop that the first Ctrl-C sets; the second Ctrl-C interrupts at once, as usual."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stop
        return

    def note(number, frame):
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        click.echo("\nending after this step (press Ctrl-C again to end at once)", err=True)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
