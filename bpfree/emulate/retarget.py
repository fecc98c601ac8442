# SPDX-License-Identifier: MIT
"""Gives an exported folder the port of another processor, so that one export is measured on many."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from bpfree.exporters.ports import port_files
from bpfree.exporters.targets import TARGETS, find_target


def folder_target(folder: str | os.PathLike[str]) -> str | None:
    """Return the name of the target that `folder` was exported for, by the processor's flags in its Makefile.

    None where there is no Makefile, or one with other flags.
    """
    makefile = Path(folder) / "Makefile"
    found = re.search(r"^CPU *= *(.*)$", makefile.read_text("utf-8"), re.MULTILINE) if makefile.is_file() else None
    named = (row.name for row in TARGETS.values() if found and found[1].split() == list(row.cpu_flags))
    return next(named, None)


def retargeted(folder: str | os.PathLike[str], target: str, scratch: Path) -> Path:
    """Return `folder`, or a copy in `scratch` with the port of `target` where its own is for other processors.

    A folder whose target is not known is taken as it is. Raises ValueError for an unknown target.
    """
    row, own = find_target(target), folder_target(folder)
    if own is None or find_target(own).port == row.port:
        return Path(folder)
    copy = scratch / "folder"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("build", "*.elf"))
    for name, path in port_files(row).items():
        shutil.copy(path, copy / "port" / name)
    return copy
