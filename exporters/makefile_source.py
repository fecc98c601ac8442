# SPDX-License-Identifier: MIT
"""The Makefile of an exported folder: GNU Arm toolchain, the strict flags, nothing else."""

from __future__ import annotations

_TEXT = """\
# `make` builds firmware.elf with the GNU Arm toolchain; `make CC=... CPU=...` for another.
# The strict flags are what makes the device's bits equal the computer's: keep them.
CC      = arm-none-eabi-gcc
CPU     = {cpu}
OPT     = -Os
STRICT  = -std=c99 -ffp-contract=off -fno-fast-math -fno-math-errno
CFLAGS  = $(CPU) $(OPT) $(STRICT) -ffreestanding -ffunction-sections -fdata-sections -Wall -Wextra
LDFLAGS = -T port/link.ld -nostartfiles -nostdlib -Wl,--gc-sections
# port/port.c is how the program reports; it suits the emulator. On a board replace it (see port/port.h).
PORT    = port/port.c
SOURCES = $(wildcard *.c runtime/*.c) port/startup.c $(PORT)

firmware.elf: $(SOURCES) $(wildcard *.h runtime/*.h runtime/bpfree/*.h port/*.h) port/link.ld
\t$(CC) $(CFLAGS) -I. -Iruntime -Iport $(SOURCES) $(LDFLAGS) -lgcc -o $@

clean:
\trm -f firmware.elf

.PHONY: clean
"""


def render(cpu_flags) -> str:
    """Makefile text for a processor's compiler flags."""
    return _TEXT.format(cpu=" ".join(cpu_flags))
