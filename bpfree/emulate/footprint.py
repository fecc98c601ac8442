# SPDX-License-Identifier: MIT
"""Measures the flash and RAM that a firmware takes beyond an empty program."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from .build import compile_firmware
from .elf import Image
from .program import Firmware

WEIGHTS_SECTION = ".bpfree_weights"
DATA_SECTION = ".bpfree_data"
_PORT_SOURCES = ("startup.c", "memory.c", "port.c")
_EMPTY_MAIN = "int main(void);\nint main(void) { return 0; }\n"


@dataclass(frozen=True)
class Footprint:
    """Sizes of a firmware in bytes; `flash_bytes` and `ram_bytes` are differences to an empty program."""

    flash_bytes: int  #: code, constants and the initial values of variables, without weights and test data
    ram_bytes: int  #: variables, without the stack
    weights_bytes: int  #: initial weights in flash: section .bpfree_weights
    data_bytes: int  #: test samples in flash: section .bpfree_data


def footprint(firmware: Firmware, empty: Firmware | None = None) -> Footprint:
    """Measure `firmware` by the sections of its ELF file.

    flash = .text + .rodata + .ARM.extab + .ARM.exidx + the image of .data: every section with contents in
    flash, vectors and compiler support routines included, except .bpfree_weights and .bpfree_data.
    ram = .data + .bss: every writable section. The stack is measured by running the firmware, not here.
    The same sums of the empty program are subtracted. Debug sections do not count, as they never reach the device.

    Args:
        firmware: what `compile_firmware` returned.
        empty: the program to subtract; default `empty_firmware(firmware)`.

    Returns:
        The four sizes in bytes.

    Raises:
        FileNotFoundError: startup.c, memory.c or port.c, of which the empty program is made, is not among the sources.
    """
    flash, ram, weights, data = _sums(firmware)
    if empty is None:
        with tempfile.TemporaryDirectory(prefix="bpfree-") as scratch:
            base = _sums(empty_firmware(firmware, Path(scratch)))
    else:
        base = _sums(empty)
    return Footprint(flash - base[0], ram - base[1], weights, data)


def empty_firmware(firmware: Firmware, folder: Path) -> Firmware:
    """Compile a main that returns 0 into `folder`, with the port, target and flags of `firmware`.

    Raises FileNotFoundError when startup.c, memory.c or port.c is not among the firmware's sources.
    """
    sources = [path for path in firmware.sources if path.name in _PORT_SOURCES]
    for name in _PORT_SOURCES if firmware.target.bare else ("port.c",):
        if not any(path.name == name and path.is_file() for path in sources):
            raise FileNotFoundError(f"{name}: needed to build the empty program whose sizes are subtracted")
    main = folder / "empty_main.c"
    main.write_text(_EMPTY_MAIN, "utf-8")
    return compile_firmware(
        firmware.folder, target=firmware.target.name, optimize=firmware.optimize, compiler=firmware.compiler_name,
        output=folder / "empty.elf", defines=firmware.defines, sources=[*sources, main],
        extra_flags=firmware.extra_flags, lto=firmware.lto, emulator=firmware.emulator,
    )  # fmt: skip


def symbols(firmware: Firmware) -> set[str]:
    """Return the names of all functions that were linked, aliases and compiler support routines included."""
    return {s.name for s in Image(firmware.elf).functions}


def _sums(firmware: Firmware) -> tuple[int, int, int, int]:
    """Return (flash, ram, weights, data) in bytes, with nothing subtracted."""
    sections = Image(firmware.elf).sections
    names = (WEIGHTS_SECTION, DATA_SECTION)
    apart = {name: sum(s.size for s in sections if s.name == name) for name in names}
    flash = sum(s.size for s in sections if s.stored and s.name not in apart)
    ram = sum(s.size for s in sections if s.writable and s.name not in apart)
    return flash, ram, apart[WEIGHTS_SECTION], apart[DATA_SECTION]
