# SPDX-License-Identifier: MIT
"""Runs firmware that was compiled for this computer, as a process of its own."""

from __future__ import annotations

from bpfree.exporters.targets import Memory, Target

from .elf import Image
from .messages import Messages, listen, refuse_counting
from .program import Firmware
from .results import EmulationError, EmulationResult, signed


def memory(target: Target) -> Memory:
    """Return no memory, as the system gives a program some; raise ValueError for a bare processor."""
    if target.bare:
        raise ValueError(f"emulator: expected one that has {target.name}, got 'host', which has the target host alone")
    return Memory()


def missing(_target: Target) -> str:
    """Return "", as there is nothing to install."""
    return ""


def run(firmware: Firmware, *, max_instructions, count, count_between, timeout_s, on_mark, on_word) -> EmulationResult:
    """Run `firmware` as `run_firmware` says; its stack and its memory are not looked at."""
    refuse_counting("host", max_instructions, count, count_between)
    sent = Messages(on_mark, on_word)
    code, text = listen([str(firmware.elf)], firmware.elf.parent, sent, timeout_s)
    if code < 0:
        raise EmulationError(f"signal {-code} ended the program", advice="Look for a bad pointer or index.")
    fields = sent.fields() | {"text": text}
    return EmulationResult(
        exit_code=signed(code, 8), instructions=None, stack_bytes=None, fpu_enabled=True,
        _image=Image(firmware.elf), _memory={}, **fields,
    )  # fmt: skip
