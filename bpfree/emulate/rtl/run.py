# SPDX-License-Identifier: MIT
"""Runs firmware on a simulated soft core and collects everything it sends, each message with its clock cycle."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bpfree.exporters.targets import Memory, Target

from ..channels import EXIT_FAULT, PORT_EXIT, PORT_MARK
from ..elf import Image
from ..messages import Messages, listen, refuse_counting
from ..program import Firmware
from ..results import EmulationError, EmulationResult, Mark, signed, stack_peak
from .cores import CORES, MEMORY, Core
from .simulator import missing, simulator

_ENDS = {
    "trap": ("the core does not know an instruction", "Look for code of another target, or a bad pointer."),
    "load": ("load from address {}", "Look for a bad pointer or index: there is neither flash nor RAM."),
    "store": ("store to address {}", "Look for a bad pointer or index, or a stack overflow: there is no RAM."),
}
"""What the test bench prints when it ends a run: what happened, and advice."""


class SoftCore:
    """One core as a row of the emulators: its memory, what it lacks here, and how it runs a firmware."""

    def __init__(self, core: Core) -> None:
        self.core = core

    def memory(self, target: Target) -> Memory:
        """Return where flash and RAM lie; raise ValueError for a target whose instructions the core has not."""
        if target.name not in self.core.targets:
            fits = " or ".join(name for name, core in CORES.items() if target.name in core.targets) or "another"
            raise ValueError(f"emulator: expected one that has {target.name}, got {self.core.name!r}: take {fits}")
        return MEMORY

    def missing(self, _target: Target) -> str:
        """Return what to install for the simulator, or ""."""
        return missing(self.core)

    def run(
        self, firmware: Firmware, *, max_instructions, count, count_between, timeout_s, on_mark, on_word
    ) -> EmulationResult:
        """Run `firmware` as `run_firmware` says; where the stack stands at a mark is not known, but its cycle is."""
        refuse_counting(self.core.name, max_instructions, count, count_between)
        program, image, sent = simulator(self.core), Image(firmware.elf), _Timed(on_mark, on_word)
        with tempfile.TemporaryDirectory(prefix="bpfree-") as scratch:
            contents, dump = Path(scratch) / "flash.hex", Path(scratch) / "ram.hex"
            contents.write_text(_words(image, firmware.memory), "ascii")
            _, errors = listen([str(program), f"+flash={contents}", f"+dump={dump}"], Path(scratch), sent, timeout_s)
            if sent.exit is None:
                raise _error(sent.end, errors)
            if sent.exit == EXIT_FAULT:
                raise EmulationError("the fault handler ran (exit code 99)", advice=_ENDS["trap"][1])
            ram = np.array([int(word, 16) for word in dump.read_text("ascii").split()], "<u4").tobytes()
        origin = firmware.memory.ram_origin
        return EmulationResult(
            exit_code=signed(sent.exit), instructions=None, cycles=sent.cycle,
            stack_bytes=stack_peak(image, origin, ram), fpu_enabled=firmware.target.has_fpu,
            _image=image, _memory={origin: ram}, **sent.fields(),
        )  # fmt: skip


class _Timed(Messages):
    """What came so far, and how the run ended: by the exit code of the program, or by the test bench."""

    exit: int | None = None
    end: tuple[str, str] | None = None  # (a key of _ENDS, address)
    cycle = 0

    def read(self, lines: Iterable[str]) -> None:
        """Receive the lines "channel value cycle" of the test bench; Verilator's own are no messages."""
        for line in lines:
            name, value, cycle = [*line.split(), "", "", ""][:3]
            if name in _ENDS:
                self.end = name, value
            if not name.isdecimal():
                continue
            channel, word, self.cycle = int(name), int(value, 16), int(cycle)
            if channel == PORT_EXIT:
                self.exit = word
            elif channel == PORT_MARK:
                self.note(Mark(word, None, None, cycles=self.cycle))
            else:
                self.receive(channel, word)


def _words(image: Image, memory: Memory) -> str:
    """Return the contents of flash as $readmemh reads it: words, in hexadecimal, behind the number of the first."""
    lines = []
    for address, data in image.segments:
        offset = address - memory.flash_origin
        padded = bytes(offset % 4) + data + bytes(-(offset + len(data)) % 4)
        lines.append(f"@{offset // 4:x}")
        lines += [f"{word:08x}" for word in np.frombuffer(padded, "<u4")]
    return "\n".join([*lines, ""])  # Verilator drops a word that no newline ends


def _error(end, errors: str) -> EmulationError:
    if end is None:
        return EmulationError(f"the simulator ended early: {errors.strip()[:300]}", advice="See its message.")
    what, advice = _ENDS[end[0]]
    return EmulationError(what.format(f"0x{end[1]}"), advice=advice)


SOFT_CORES = {name: SoftCore(core) for name, core in CORES.items()}
"""The cores by name, as emulators."""
