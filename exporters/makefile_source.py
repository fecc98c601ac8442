# SPDX-License-Identifier: MIT
"""The Makefile of an exported folder: a GNU toolchain, the strict flags, nothing else."""

from __future__ import annotations

from bpfree.exporters.targets import Target

_TEXT = """\
# `make` builds firmware.elf with the GNU toolchain; `make CC=... CPU=...` for another.
# The strict flags are what makes the device's bits equal the computer's: keep them.
CC      = {prefix}gcc
CPU     = {cpu}
OPT     = -Os
STRICT  = -std=c99 -ffp-contract=off -fno-fast-math -fno-math-errno
CFLAGS  = $(CPU) $(OPT) $(STRICT){compile} -ffunction-sections -fdata-sections -Wall -Wextra
LDFLAGS ={link}
LDLIBS  ={libraries}
# port/port.c is how the program reports; {suits}
PORT    = port/port.c
SOURCES = $(wildcard *.c runtime/*.c) $(filter-out port/port.c,$(wildcard port/*.c)) $(PORT)

firmware.elf: $(SOURCES) $(wildcard *.h runtime/*.h runtime/bpfree/*.h port/*.h){script}
\t$(CC) $(CFLAGS) -I. -Iruntime -Iport $(SOURCES) $(LDFLAGS) $(LDLIBS) -o $@

clean:
\trm -f firmware.elf

.PHONY: clean
"""

_SUITS_EMULATOR = "it suits the emulator. On a board replace it (see port/port.h)."
_SUITS_COMPUTER = "it prints. On a board replace it (see port/port.h)."


def render(target: Target) -> str:
    """Makefile text for a target."""
    link = ("-T", "port/link.ld", *target.gnu.link_flags, memory_flags(target)) if target.bare else ()
    return _TEXT.format(
        prefix=target.gnu.prefix,
        cpu=" ".join(target.cpu_flags),
        compile=_spaced(target.gnu.compile_flags),
        link=_spaced(link),
        libraries=" -lgcc" if target.bare else "",
        suits=_SUITS_EMULATOR if target.bare else _SUITS_COMPUTER,
        script=" port/link.ld" if target.bare else "",
    )


def memory_flags(target: Target) -> str:
    """Return the linker flag that tells link.ld where flash and RAM lie."""
    symbols = {
        "ROM_ORG": target.flash_origin, "ROM_LEN": target.flash_bytes,
        "RAM_ORG": target.ram_origin, "RAM_LEN": target.ram_bytes,
    }  # fmt: skip
    return "-Wl," + ",".join(f"--defsym={name}={value:#x}" for name, value in symbols.items())


def _spaced(flags) -> str:
    return "".join(f" {flag}" for flag in flags)
