# SPDX-License-Identifier: MIT
"""The Makefile of an exported folder: GCC, clang or zig, the strict flags, and what comes out in bytes."""

from __future__ import annotations

from bpfree.exporters.targets import Target

_TEXT = """\
# `make` builds firmware.elf and prints how much flash and RAM it takes. Other ways:
#   make CC=clang                      make CC="python3 -m ziglang cc"
#   make LTO=1                         make OPT=-O2      (or -O0 to -O3, -Os, -Oz)
#   make DEFINES="-DSEND_THETA=1"      what main.c and report.c ask for
CC      = {prefix}gcc
OPT     = -Os
LTO     = 0
DEFINES =
# The strict flags are what makes the device's bits equal the computer's: keep them.
STRICT  = -std=c99 -fno-fast-math -fno-math-errno -ffp-contract=off
# port/port.c is how the program reports: {reports}
PORT    = port/port.c
SOURCES = $(wildcard *.c runtime/*.c) $(filter-out port/port.c,$(wildcard port/*.c)) $(PORT)
HEADERS = $(wildcard *.h runtime/*.h runtime/bpfree/*.h port/*.h)
OBJECTS = $(addprefix build/,$(notdir $(SOURCES:.c=.o)))
SIZE    = $(firstword $(shell command -v {prefix}size llvm-size size 2>/dev/null))

ifneq (,$(findstring zig,$(notdir $(CC))))
CPU     = {zig}
LINK    = {zig_link}
else ifneq (,$(findstring clang,$(notdir $(CC))))
CPU     = {clang}
LINK    = {clang_link}
else
CPU     = {gnu}
LINK    = {gnu_link}
endif
ifneq (,$(filter 1 yes,$(LTO)))
CPU    += -flto
endif
CFLAGS  = $(CPU) $(OPT) $(STRICT){compile} -ffunction-sections -fdata-sections -Wall -Wextra
VPATH   = . runtime $(sort $(dir $(SOURCES)))

{build}
build/%.o: %.c $(HEADERS) Makefile
\t@mkdir -p build
\t$(CC) $(CFLAGS) $(DEFINES) -I. -Iruntime -Iport -c $< -o $@

clean:
\trm -rf build firmware.elf

.PHONY: clean
"""

_LINKED = """\
firmware.elf: $(OBJECTS){script}
\t$(CC) $(CPU) $(OPT) $(OBJECTS) $(LINK) -o $@
\t@$(SIZE) $@ | awk 'NR == 2 {{print "{told}"}}'
"""
_BOARD = 'flash " $$1 + $$2 " bytes, weights and samples among them; RAM " $$2 + $$3 " bytes and the stack'
_COMPUTER = 'code and constants " $$1 " bytes; data " $$2 + $$3 " bytes'

_OBJECTS = """\
# Add these objects to your board's project, with port_emit() of port/port.h, startup code and a linker script.
objects: $(OBJECTS)
.PHONY: objects
"""

_REPORTS = {
    "mailbox": "to the emulator; on a board replace it (see port/port.h).",
    "semihosting": "to qemu or a debug probe; on a board without one replace it (see port/port.h).",
    "none": "you write it, or set PORT to yours (see port/port.h).",
    "host": "it prints.",
}


def render(target: Target, report: str = "mailbox") -> str:
    """Makefile text for a target, and how its program reports: a key of _REPORTS."""
    script = ("-T", "port/link.ld") if target.bare else ()
    gnu, clang = ((*script, *target.gnu.link_flags, "-lgcc"), (*script, *_CLANG_LINK)) if target.bare else ((), ())
    library = f"$(shell {target.gnu.prefix}gcc {' '.join(target.cpu_flags)} -print-libgcc-file-name 2>/dev/null)"
    linked = _LINKED.format(script=" port/link.ld" * target.bare, told=_BOARD if target.bare else _COMPUTER)
    return _TEXT.format(
        prefix=target.gnu.prefix,
        reports=_REPORTS[report if target.bare or report == "none" else "host"],
        zig=" ".join((*_zig_processor(target), *target.zig_flags, "-fno-sanitize=undefined")),
        zig_link=" ".join((*script, *_ZIG_LINK)) if target.bare else "",
        clang=" ".join(target.clang_flags),
        clang_link=" ".join((*clang, library)) if target.bare else "",
        gnu=" ".join(target.cpu_flags),
        gnu_link=" ".join(gnu),
        compile="".join(f" {flag}" for flag in target.gnu.compile_flags),
        build=_OBJECTS if report == "none" else linked,
    )


_CLANG_LINK = ("-fuse-ld=lld", "-nostdlib", "-Wl,--gc-sections")
_ZIG_LINK = ("-Wl,--gc-sections", "-Wl,-e,Reset_Handler", "-g")  # without -g it strips all names


def _zig_processor(target: Target) -> tuple[str, ...]:
    return ("-target", target.zig_triple, f"-mcpu={target.zig_cpu}") if target.bare else ()


def memory_symbols(target: Target) -> str:
    """The head of link.ld: where flash and RAM of the target's board lie."""
    memory = {"ROM": (target.flash_origin, target.flash_bytes), "RAM": (target.ram_origin, target.ram_bytes)}
    told = "/* First addresses and bytes of flash and RAM: those of your board. */\n"
    return told + "".join(f"{name}_ORG = {at:#x};\n{name}_LEN = {size:#x};\n" for name, (at, size) in memory.items())
