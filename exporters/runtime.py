# SPDX-License-Identifier: MIT
"""The C runtime as it lies in the package: its folder, and the one list of its sources."""

from __future__ import annotations

from pathlib import Path


def runtime_folder() -> Path:
    """Return the folder of the C sources: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    return package / "runtime_c"


def listed_sources() -> dict[str, list[str]]:
    """Files and patterns of sources.txt, by part: "core", "rows", "journal", "pde", "host".

    >>> "train.c" in listed_sources()["core"], "op_*.c" in listed_sources()["rows"]
    (True, True)
    """
    parts = {}
    for line in (runtime_folder() / "sources.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, part, _ = line.split()
            parts.setdefault(part, []).append(name)
    return parts
