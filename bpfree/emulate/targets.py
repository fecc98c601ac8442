# SPDX-License-Identifier: MIT
"""The table of processors that firmware can be compiled for and emulated on, one row each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One processor, as each tool names it.

    The names of unicorn's constants are stored as text, so that reading the table imports nothing.
    """

    name: str
    zig_triple: str
    zig_cpu: str
    gnu_flags: tuple[str, ...]  # processor flags of arm-none-eabi-gcc
    unicorn_arch: str  # name of a constant in the module unicorn
    unicorn_mode: tuple[str, ...]  # names of constants in the module unicorn, which are added up
    unicorn_cpu: str  # name of a constant in unicorn.arm_const
    c_flags: tuple[str, ...]  # flags for clang, after the common ones
    flash_origin: int  # address
    flash_bytes: int
    ram_origin: int  # address
    ram_bytes: int


TARGETS = {
    row.name: row
    for row in (
        Target(
            name="cortex-m4f",
            zig_triple="thumb-freestanding-eabihf",
            zig_cpu="cortex_m4+vfp4d16sp",
            gnu_flags=("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
            unicorn_arch="UC_ARCH_ARM",
            unicorn_mode=("UC_MODE_THUMB", "UC_MODE_MCLASS"),
            unicorn_cpu="UC_CPU_ARM_CORTEX_M4",
            c_flags=(),
            flash_origin=0x0000_0000,
            flash_bytes=1 << 20,
            ram_origin=0x2000_0000,
            ram_bytes=256 << 10,
        ),
    )
}


def find_target(name: str) -> Target:
    """Return the row called `name`.

    Raises:
        ValueError: there is no such row; the message lists the known ones.
    """
    if name not in TARGETS:
        raise ValueError(f"target: expected one of {', '.join(sorted(TARGETS))}, got {name!r}")
    return TARGETS[name]
