# SPDX-License-Identifier: MIT
"""Saves what was computed for minutes elsewhere, where its own place turns out to be full or gone at the end."""

from __future__ import annotations

import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from bpfree.cli.commands import Failure
from bpfree.cli.output import replace_file


def save_or_rescue(path: Path, write, what: str) -> bool:
    """Do as `replace_file` does for an .npz; where that fails, write it to the working folder or to that of the system.

    what: what is written, for people. Raises Failure that names the place it was written to.
    """
    try:
        return replace_file(path, write)
    except OSError as error:
        place = _rescued(path, write)
        if place is None:
            raise
        told = f"{path}: {error.strerror or error}: {what} is in {place} instead"
        raise Failure(told) from error


def _rescued(path: Path, write) -> Path | None:
    """Return the new file that takes what `path` did not, in the first folder that has room; None without any."""
    name = f"{path.stem}-{secrets.token_hex(4)}{path.suffix or '.npz'}"
    for folder in (Path.cwd, lambda: Path(tempfile.gettempdir())):
        with suppress(OSError):
            replace_file(folder() / name, write)
            return folder() / name
    return None
