# SPDX-License-Identifier: MIT
"""Runs firmware in unicorn from reset to its exit code and collects everything it sends."""

from __future__ import annotations

import time
from collections.abc import Callable

from bpfree.exporters.targets import Memory, Target

from ._extras import need
from .board import BOARDS
from .channels import EXIT_FAULT, PORT_EXIT, PORT_MARK, PORT_PUTC
from .counting import BlockCounter
from .elf import Image
from .messages import Messages
from .program import Firmware
from .results import EmulationError, EmulationResult, Mark, signed, stack_peak


def memory(target: Target) -> Memory:
    """Return where the emulated board has its memory: as the table says, which is what the port is linked for."""
    if target.unicorn is None:
        raise ValueError(f"emulator: expected one that has {target.name}, got 'unicorn': take {others(target)}")
    return target


def others(target: Target) -> str:
    """Return the emulators that have a target which unicorn has not, for a message."""
    return "'qemu'" if target.bare else "'host'"


def missing(_target: Target) -> str:
    """Return what to install for the emulator, or ""."""
    try:
        need("unicorn")
    except ImportError:
        return 'pip install "bpfree[emulate]"'
    return ""


def run(firmware: Firmware, *, max_instructions, count, count_between, timeout_s, on_mark, on_word) -> EmulationResult:
    """Run `firmware` as `run_firmware` says."""
    emulation = Emulation(firmware, max_instructions, count_between, on_mark, on_word)
    if count:
        emulation.counter.start()
    emulation.until_exit(timeout_s)
    return emulation.result(count or count_between is not None)


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
        board = self.board = BOARDS[firmware.target.port](firmware, self.image, self._on_mail)
        self.counter = BlockCounter(board.uc, board.unicorn.UC_HOOK_BLOCK, board.width, limit)
        self.limit, self.sent = limit, Messages(on_mark, on_word)
        self.between, self.waiting = between, between is not None  # waiting: the interval has not begun
        self.held_mark: int | None = None  # a mark that stopped the machine, to be noted once it has stopped
        self.exit_code: int | None = None

    # ---- mailbox ----

    def _on_mail(self, offset: int, size: int, value: int) -> None:
        channel = offset // 4
        if size != 4 or offset % 4 or channel > PORT_PUTC:
            what = f"a {size}-byte store to mailbox offset {offset}"
            raise self._error(what, "Use port_emit with one of enum port_channel.")
        if channel == PORT_EXIT:
            self.exit_code = signed(value)
            self.board.uc.emu_stop()
        elif channel != PORT_MARK:
            self.sent.receive(channel, value)
        elif self.counter.active or (self.waiting and value == self.between[0]):
            self.held_mark = value  # the count is exact only once the machine has stopped
            self.board.uc.emu_stop()
        else:
            self._note_mark(value)

    def _note_mark(self, number: int) -> None:
        stack = self.image.address_of("__stack_top") - self.board.sp
        self.sent.note(Mark(number, self.counter.count if self.counter.active else None, stack))

    # ---- running ----

    def until_exit(self, timeout_s: float) -> None:
        """Run from the reset vector to the exit code; raise EmulationError for any other end."""
        pc = self.board.start
        deadline = time.monotonic() + timeout_s
        while self.exit_code is None:
            left_us = max(1, int((deadline - time.monotonic()) * 1e6))
            limit = self.limit if self.limit is not None and not self.counter.active else 0
            try:
                self.board.uc.emu_start(self.board.resume_at(pc), 0xFFFF_FFFF, timeout=left_us, count=limit)
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
                f"The program sent {[mark.number for mark in self.sent.marks][:20]}.",
            )

    def _after_store(self) -> int:
        """Return the address to continue at: pc is still at the completed mailbox store that stopped the machine."""
        pc = self.board.pc
        pc += self.board.width(self.board.word(pc) & 0xFFFF)
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
        memory, origin = self.board.memory(), self.board.row.ram_origin
        return EmulationResult(
            exit_code=self.exit_code,
            instructions=self.counter.count if counted else None,
            stack_bytes=stack_peak(self.image, origin, memory[origin]),
            fpu_enabled=self.board.fpu_enabled,
            _image=self.image,
            _memory=memory,
            **self.sent.fields(),
        )
