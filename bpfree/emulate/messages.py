# SPDX-License-Identifier: MIT
"""What a program has sent so far, whatever the machine it runs on, and its reports as lines of text."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from .channels import PORT_HASH, PORT_MARK, PORT_PUTC, PORT_WORD
from .results import EmulationError, Mark

_NAMES = ("exit", "mark", "word", "hash")
"""Channels as the host's port prints them; the semihosting port prints their numbers."""


class Messages:
    """Marks, words, hashes and text in the order they came; the callbacks are those of `run_firmware`."""

    def __init__(self, on_mark: Callable[[Mark], None] | None, on_word: Callable[[int], None] | None) -> None:
        self.on_mark, self.on_word = on_mark, on_word
        self.marks: list[Mark] = []
        self._words: list[int] = []
        self._hashes: list[int] = []
        self._text = bytearray()

    def note(self, mark: Mark) -> None:
        """Keep a mark."""
        self.marks.append(mark)
        if self.on_mark is not None:
            self.on_mark(mark)

    def receive(self, channel: int, value: int) -> None:
        """Keep the value of any other channel but PORT_EXIT."""
        if channel == PORT_WORD:
            self._words.append(value)
            if self.on_word is not None:
                self.on_word(value)
        elif channel == PORT_HASH:
            self._hashes.append(value)
        elif channel == PORT_PUTC:
            self._text.append(value & 0xFF)

    def read(self, lines: Iterable[str]) -> None:
        """Receive lines "channel value", the value in hexadecimal; others are no messages."""
        for line in lines:
            name, _, value = line.strip().partition(" ")
            channel = _NAMES.index(name) if name in _NAMES else int(name) if name.isdecimal() else None
            if channel == PORT_MARK:
                self.note(Mark(int(value, 16), None, None))
            elif channel is not None:
                self.receive(channel, int(value, 16))

    def fields(self) -> dict:
        """Return what was sent as an `EmulationResult` has it."""
        hashes = self._hashes
        return {
            "words": np.array(self._words, dtype=np.uint32),
            "hash": hashes[-2] | hashes[-1] << 32 if len(hashes) > 1 else None,
            "marks": self.marks,
            "text": self._text.decode("utf-8", "replace"),
        }


def listen(command: list[str], folder: Path, sent: Messages, timeout_s: float) -> tuple[int, str]:
    """Run a program in `folder` until it ends, receiving its lines as they come.

    Returns its exit code and what it wrote on standard error. Raises EmulationError after `timeout_s` seconds.
    """
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    late = threading.Event()

    def give_up() -> None:
        late.set()
        process.kill()

    clock, errors = threading.Timer(timeout_s, give_up), []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)
    try:
        clock.start()
        reader.start()
        sent.read(process.stdout)
        code = process.wait()
    finally:
        clock.cancel()
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()
    if late.is_set():
        raise EmulationError(f"no end after {timeout_s:g} s", advice="Raise timeout_s, or look for an endless loop.")
    return code, errors[0]


def refuse_counting(emulator: str, max_instructions, count: bool, count_between) -> None:
    """Raise ValueError where instructions are to be counted or limited on a machine that does not count them."""
    asked = {"max_instructions": max_instructions, "count": count or None, "count_between": count_between}
    for name, value in asked.items():
        if value is not None:
            raise ValueError(f"{name}: expected none on {emulator}, which does not count instructions, got {value!r}")
