# SPDX-License-Identifier: MIT
"""The table of machines that firmware runs on here: emulated boards, and the computer itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bpfree.exporters.targets import Memory, Target

from . import console, machine, qemu
from .program import Firmware
from .results import EmulationResult, Mark


@dataclass(frozen=True)
class Emulator:
    """One kind of machine.

    memory(target): where its flash and RAM lie; raises ValueError for a target that it does not have.
    missing(target): what to install, or "" where it is installed.
    report: how programs report to it, one of `bpfree.exporters.ports.REPORTS`; defines: macros that its port needs.
    run(firmware, **options): the options and errors are those of `run_firmware`.
    """

    memory: Callable[[Target], Memory]
    missing: Callable[[Target], str]
    run: Callable[..., EmulationResult]
    report: str = "mailbox"
    defines: tuple[str, ...] = ()


EMULATORS = {
    "unicorn": Emulator(machine.memory, machine.missing, machine.run),
    "qemu": Emulator(qemu.memory, qemu.missing, qemu.run, "semihosting", qemu.DEFINES),
    "host": Emulator(console.memory, console.missing, console.run),
}
"""The machines by name; the first that has a target is the default."""


def default_emulator(target: Target) -> str:
    """Return the name of the first emulator that has the target."""
    return next(name for name, row in EMULATORS.items() if has(row, target))


def has(emulator: Emulator, target: Target) -> bool:
    """Return whether the emulator has the target."""
    try:
        emulator.memory(target)
    except ValueError:
        return False
    return True


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
    """Run `firmware` from reset until it sends its exit code, on the machine that it was compiled for.

    Every byte of RAM holds 0xC5 at reset. This exposes a program that relies on zeroed memory outside .bss, and
    shows the stack's high-water mark afterwards.

    Args:
        firmware: what `compile_firmware` returned.
        max_instructions: number of instructions after which the run is given up; None: only `timeout_s` limits it.
            The limit is exact to a basic block while counting. Each stretch that is not counted is limited on its
            own, and then runs at half the speed. Of unicorn alone.
        count: whether to count every instruction, which slows unicorn to less than 1 million basic blocks/s. With
            qemu on RISC-V alone; not on the host.
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
        ValueError: both `count` and `count_between` are given, a limit is not positive, or the machine cannot count
            or limit instructions.
        ImportError: the emulator is not installed.
    """
    if count and count_between is not None:
        raise ValueError("count, count_between: expected one of them, got both")
    if timeout_s <= 0 or (max_instructions is not None and max_instructions <= 0):
        raise ValueError(
            f"timeout_s, max_instructions: expected positive numbers, got {timeout_s!r}, {max_instructions!r}"
        )
    return EMULATORS[firmware.emulator].run(
        firmware, max_instructions=max_instructions, count=count, count_between=count_between, timeout_s=timeout_s,
        on_mark=on_mark, on_word=on_word,
    )  # fmt: skip
