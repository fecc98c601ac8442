# SPDX-License-Identifier: MIT
"""Writing files whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from bpfree.errors import check_path


def write_atomically(path, data: bytes) -> None:
    """Write a file beside its place, then move it there: a reader sees the old bytes or the new, never half.

    A link is followed. What is no regular file (a device, a pipe) is written
    to as it is. Raises OSError naming `path`; the old file is then untouched.
    """
    check_path("path", path)
    if os.path.exists(path) and not os.path.isfile(path):
        Path(path).write_bytes(data)
        return
    place = Path(os.path.realpath(path))
    draft = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        with open(draft, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, place)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    finally:
        with suppress(OSError):  # it was moved, or never made
            draft.unlink()
