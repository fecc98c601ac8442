# SPDX-License-Identifier: MIT
"""Runs firmware from reset to its exit code and collects everything it sends."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from .board import PAINT, Board
from .build import Firmware
from .counting import BlockCounter, thumb_width
from .elf import Image
from .results import EmulationError, EmulationResult, Mark

# These repeat runtime_c/ports/cortex_m/port.h; a test compares the two.
PORT_EXIT, PORT_MARK, PORT_WORD, PORT_HASH, PORT_PUTC = range(5)
EXIT_FAULT = 99


def run_firmware(
    firmware: Firmware,
    *,
    max_instructions: int | None = None,
    count: bool = False,
    count_between: tuple[int, int] | None = None,
    timeout_s: float = 120.0,
    on_mark: Callable[[Mark], None] | None = None,
    on_word: Callable[[int], None] | None = None,
) -> EmulationResult:
    """Run `firmware` from reset until it sends its exit code.

    Every byte of RAM holds 0xC5 at reset. This exposes a program that relies on zeroed memory outside .bss, and
    shows the stack's high-water mark afterwards.

    Args:
        firmware: what `compile_firmware` returned.
        max_instructions: number of instructions after which the run is given up; None: only `timeout_s` limits it.
            The limit is exact to a basic block while counting. Each stretch that is not counted is limited on its
            own, and then runs at half the speed.
        count: whether to count every instruction, which slows the run to less than 1 million basic blocks/s.
        count_between: (a, b): count only the first interval from mark a to the next mark b; the rest runs at
            full speed. a and b may be equal.
        timeout_s: wall-clock limit in seconds. An interrupt from the keyboard takes effect at the next mark or
            word.
        on_mark: called with each `Mark` as it is passed.
        on_word: called with each word sent on PORT_WORD.
            An exception in a callback ends the run and reaches the caller.

    Returns:
        The exit code and everything sent. A non-zero exit code is a result, not an error.

    Raises:
        EmulationError: an access outside memory, an undefined instruction, the fault handler (exit code 99), a
            stack overflow, too many instructions, too much time, or marks of `count_between` that were not passed.
        ValueError: both `count` and `count_between` are given, or a limit is not positive.
        ImportError: unicorn or pyelftools is not installed.
    """
    if count and count_between is not None:
        raise ValueError("count, count_between: expected one of them, got both")
    if timeout_s <= 0 or (max_instructions is not None and max_instructions <= 0):
        raise ValueError(
            f"timeout_s, max_instructions: expected positive numbers, got {timeout_s!r}, {max_instructions!r}"
        )
    run = Emulation(firmware, max_instructions, count_between, on_mark, on_word)
    if count:
        run.counter.start()
    run.until_exit(timeout_s)
    return run.result(count or count_between is not None)


class Emulation:
    """One run: a board, a counter, and everything received so far."""

    def __init__(
        self,
        firmware: Firmware,
        limit: int | None = None,
        between: tuple[int, int] | None = None,
        on_mark: Callable[[Mark], None] | None = None,
        on_word: Callable[[int], None] | None = None,
    ) -> None:
        self.image = Image(firmware.elf)
        self.board = Board(firmware.target, self.image, self._on_mail)
        self.counter = BlockCounter(self.board.uc, self.board.unicorn.UC_HOOK_BLOCK, limit)
        self.limit, self.on_mark, self.on_word = limit, on_mark, on_word
        self.between, self.waiting = between, between is not None  # waiting: the interval has not begun
        self.held_mark: int | None = None  # a mark that stopped the machine, to be noted once it has stopped
        self.exit_code: int | None = None
        self.marks: list[Mark] = []
        self.words: list[int] = []
        self.hashes: list[int] = []
        self.text = bytearray()

    # ---- mailbox ----

    def _on_mail(self, offset: int, size: int, value: int) -> None:
        channel = offset // 4
        if size != 4 or offset % 4 or channel > PORT_PUTC:
            what = f"a {size}-byte store to mailbox offset {offset}"
            raise self._error(what, "Use port_emit with one of enum port_channel.")
        if channel == PORT_WORD:
            self.words.append(value)
            if self.on_word is not None:
                self.on_word(value)
        elif channel == PORT_MARK:
            if self.counter.active or (self.waiting and value == self.between[0]):
                self.held_mark = value  # the count is exact only once the machine has stopped
                self.board.uc.emu_stop()
            else:
                self._note_mark(value)
        elif channel == PORT_HASH:
            self.hashes.append(value)
        elif channel == PORT_PUTC:
            self.text.append(value & 0xFF)
        else:
            self.exit_code = value - (1 << 32) if value >> 31 else value
            self.board.uc.emu_stop()

    def _note_mark(self, number: int) -> None:
        stack = self.image.address_of("__stack_top") - self.board.sp
        mark = Mark(number, self.counter.count if self.counter.active else None, stack)
        self.marks.append(mark)
        if self.on_mark is not None:
            self.on_mark(mark)

    # ---- running ----

    def until_exit(self, timeout_s: float) -> None:
        """Run from the reset vector to the exit code; raise EmulationError for any other end."""
        pc = self.board.reset_vector
        deadline = time.monotonic() + timeout_s
        while self.exit_code is None:
            left_us = max(1, int((deadline - time.monotonic()) * 1e6))
            limit = self.limit if self.limit is not None and not self.counter.active else 0
            try:
                self.board.uc.emu_start(pc | 1, 0xFFFF_FFFF, timeout=left_us, count=limit)
            except self.board.unicorn.UcError as error:
                raise self._fault(error) from error
            if self.exit_code is None and self.held_mark is None:
                raise self._gave_up(deadline, timeout_s)
            pc = self._after_store()
        if self.exit_code == EXIT_FAULT:
            raise self._error("the fault handler ran (exit code 99)", "Look for a stray call or pointer.")
        if self.between is not None and (self.waiting or self.counter.active):
            raise self._error(
                f"mark {self.between[0]} followed by mark {self.between[1]} did not come before the end",
                f"The program sent {[mark.number for mark in self.marks][:20]}.",
            )

    def _after_store(self) -> int:
        """Return the address to continue at: pc is still at the completed mailbox store that stopped the machine."""
        pc = self.board.pc
        pc += thumb_width(self.board.word(pc) & 0xFFFF)
        if self.counter.active:
            self.counter.trim(pc)
        if self.held_mark is not None:
            number, self.held_mark = self.held_mark, None
            begins, self.waiting = self.waiting, False
            if begins:
                self.counter.start()
            self._note_mark(number)
            if self.between is not None and not begins and number == self.between[1]:
                self.counter.stop()
        return pc

    # ---- failing ----

    def _gave_up(self, deadline: float, timeout_s: float) -> EmulationError:
        early = time.monotonic() < deadline - 0.001  # a margin of 1 ms, as unicorn's clock may differ from ours
        if self.counter.exceeded or (self.limit is not None and early):
            what = f"more than {self.limit} instructions"
            return self._error(what, "Raise max_instructions, or look for an endless loop.")
        return self._error(f"no end after {timeout_s:g} s", "Raise timeout_s, or look for an endless loop.")

    def _fault(self, error: Exception) -> EmulationError:
        bad, row = self.board.bad_address, self.board.row
        if bad is None:
            advice = "An undefined instruction, bkpt or svc: look for code of another target, or a bad pointer."
            return self._error(str(error), advice)
        flash = f"{row.flash_origin:#x} to {row.flash_origin + row.flash_bytes:#x}"
        ram = f"{row.ram_origin:#x} to {row.ram_origin + row.ram_bytes:#x}"
        return self._error(
            f"{error} of address {bad:#010x}",
            f"Flash is {flash} (read only), RAM {ram}: look for a bad pointer or index, or a stack overflow.",
        )

    def _error(self, what: str, advice: str) -> EmulationError:
        pc = self.board.pc
        symbol = self.image.nearest(pc)
        if symbol == "?" or self.exit_code == EXIT_FAULT:  # outside code or in port_emit: name the caller
            symbol = f"called from {self.image.nearest(self.board.lr)}"
        return EmulationError(what, pc=pc, symbol=symbol, advice=advice)

    # ---- after the run ----

    def result(self, counted: bool) -> EmulationResult:
        """Return the result of the run, once `until_exit` has returned."""
        assert self.exit_code is not None
        memory = self.board.memory()
        return EmulationResult(
            exit_code=self.exit_code,
            words=np.array(self.words, dtype=np.uint32),
            hash=self.hashes[-2] | self.hashes[-1] << 32 if len(self.hashes) > 1 else None,
            marks=self.marks,
            text=self.text.decode("utf-8", "replace"),
            instructions=self.counter.count if counted else None,
            stack_bytes=self._stack_peak(memory[self.board.row.ram_origin]),
            fpu_enabled=self.board.fpu_enabled,
            _image=self.image,
            _memory=memory,
        )

    def _stack_peak(self, ram: bytes) -> int:
        origin = self.board.row.ram_origin
        limit, top = (self.image.address_of(name) - origin for name in ("__stack_limit", "__stack_top"))
        used = np.flatnonzero(np.frombuffer(ram, np.uint8)[limit:top] != PAINT)
        if used.size and used[0] == 0:
            raise self._error("the stack overran the variables", "Make the arrays on the stack smaller or static.")
        return int(top - limit - used[0]) if used.size else 0
