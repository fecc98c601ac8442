# SPDX-License-Identifier: MIT
"""The files of a target's port, put together: what all share, startup and linker script, how the program reports."""

from __future__ import annotations

from pathlib import Path

from bpfree.errors import check_choice
from bpfree.exporters.runtime import runtime_folder
from bpfree.exporters.targets import Target

REPORTS = ("mailbox", "semihosting")
"""How a program on a bare board reports: to the emulator, or to the console of qemu or a debug probe."""


def port_files(target: Target, report: str = "mailbox") -> dict[str, Path]:
    """Return the file to copy by its name in the folder port/; a computer has a console, whatever `report` says.

    Raises ValueError for a `report` that is not one of REPORTS.

    >>> from bpfree.exporters.targets import TARGETS
    >>> sorted(port_files(TARGETS["rv32imc"], "semihosting"))
    ['link.ld', 'memory.c', 'port.c', 'port.h', 'startup.c']
    >>> sorted(port_files(TARGETS["host"]))
    ['port.c', 'port.h']
    """
    check_choice("report", report, REPORTS)
    ports = runtime_folder() / "ports"
    if not target.bare:
        return {"port.h": ports / "common" / "port.h", "port.c": ports / target.port / "port.c"}
    folders = (ports / "common", ports / target.port, ports / report)
    return {path.name: path for folder in folders for path in sorted(folder.iterdir())}
