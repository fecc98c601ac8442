# SPDX-License-Identifier: MIT
"""Runs firmware on a machine of qemu-system: the second opinion, and the only one on a Cortex-M55."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from bpfree.exporters.targets import Memory, Target

from .channels import EXIT_FAULT, PAINT
from .elf import Image
from .messages import Messages, listen, refuse_counting
from .program import Firmware
from .results import EmulationError, EmulationResult, signed, stack_peak

_RAM_FILE = "ram.bin"
DEFINES = (f'PORT_RAM_FILE="{_RAM_FILE}"',)
"""Macros of the semihosting port: where it leaves RAM when the program ends."""

_QUIET = ("-nographic", "-monitor", "none", "-serial", "none")
_CONSOLE = ("-chardev", "stdio,id=console", "-semihosting-config", "enable=on,target=native,chardev=console")


def memory(target: Target) -> Memory:
    """Return where the machine has its memory; raise ValueError where there is no machine with this processor."""
    if target.qemu is None:
        raise ValueError(f"emulator: expected one that has {target.name}, got 'qemu': take 'host'")
    return target.qemu


def missing(target: Target) -> str:
    """Return what to install for the target's machine, or ""."""
    return "" if shutil.which(target.qemu.program) else f"apt install {target.qemu.package}"


def run(firmware: Firmware, *, max_instructions, count, count_between, timeout_s, on_mark, on_word) -> EmulationResult:
    """Run `firmware` as `run_firmware` says; where the stack stands at a mark is not known."""
    refuse_counting("qemu", max_instructions, count, count_between)
    if way := missing(firmware.target):
        raise ImportError(f"{firmware.target.qemu.program} is needed for emulator='qemu': {way}")
    image, sent = Image(firmware.elf), Messages(on_mark, on_word)
    with tempfile.TemporaryDirectory(prefix="bpfree-") as scratch:
        code, errors = listen(_command(firmware, image, Path(scratch)), Path(scratch), sent, timeout_s)
        if code == EXIT_FAULT:
            raise EmulationError("the fault handler ran (exit code 99)", advice="Look for a stray call or pointer.")
        left = Path(scratch) / _RAM_FILE
        if not left.is_file():
            raise EmulationError(f"qemu ended with {code}: {errors.strip()[:300]}", advice="Look for a bad pointer.")
        ram = left.read_bytes()
    origin = firmware.memory.ram_origin
    return EmulationResult(
        exit_code=signed(code), instructions=None, stack_bytes=stack_peak(image, origin, ram),
        fpu_enabled=firmware.target.has_fpu, _image=image, _memory={origin: ram}, **sent.fields(),
    )  # fmt: skip


def _command(firmware: Firmware, image: Image, scratch: Path) -> list[str]:
    """Return the command line, having written the paint that is loaded to the stack."""
    row = firmware.target.qemu
    limit, top = (image.address_of(name) for name in ("__stack_limit", "__stack_top"))
    paint = scratch / "paint.bin"
    paint.write_bytes(bytes([PAINT]) * (top - limit))
    loader = ("-device", f"loader,file={paint},addr={limit:#x},force-raw=on")
    return [row.program, "-M", row.machine, *row.options, *_QUIET, *_CONSOLE, "-kernel", str(firmware.elf), *loader]
