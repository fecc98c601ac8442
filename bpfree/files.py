# SPDX-License-Identifier: MIT
"""Files: written whole or not at all, .npz read from anywhere, and where bpfree keeps what it can fetch again."""

from __future__ import annotations

import os
import sys
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from bpfree.errors import FormatError, check_path
from bpfree.npy import parse_npy

_UNREADABLE = (OSError, EOFError, ValueError, LookupError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What zipfile and `parse_npy` raise on damaged or foreign bytes."""


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


def read_arrays(path, names, *, optional=(), what: str = "bpfree model") -> dict[str, np.ndarray]:
    """The arrays of these names from an uncompressed .npz, as numpy.savez writes it.

    names must be there; of the optional ones, those that are. `what` the file
    should have been is said when it is not.

    Sizes are checked against the bytes that are there before anything is
    allocated: a header that claims terabytes, or a compressed member that
    unpacks to them, is refused. Raises FormatError, or FileNotFoundError.
    """
    check_path("path", path)
    try:
        with zipfile.ZipFile(path) as archive:
            there = {member.removesuffix(".npy") for member in archive.namelist()}
            missing = [name for name in names if name not in there]
            if missing:
                raise ValueError(f"expected arrays {', '.join(names)}, got {', '.join(sorted(there)[:9]) or 'none'}")
            wanted = [*names, *(name for name in optional if name in there)]
            size = os.path.getsize(path)
            return {name: _read(archive, archive.getinfo(f"{name}.npy"), size) for name in wanted}
    except FileNotFoundError:
        raise
    except _UNREADABLE as error:
        raise FormatError(f"{path}: not a {what}: {error}") from None


def _read(archive, member, most: int) -> np.ndarray:
    if max(member.file_size, member.compress_size) > most:  # zipfile would ask for memory of that size
        raise ValueError(f"{member.filename} of {member.file_size:,} bytes in a file of {most:,}")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed: write it with numpy.savez")
    with archive.open(member) as file:
        return parse_npy(member.filename, file.read())  # reading to the end also checks the member's CRC


def cache_folder() -> Path:
    """The user's cache for bpfree: XDG_CACHE_HOME where that is set, else what the system uses."""
    if os.environ.get("XDG_CACHE_HOME"):
        base = Path(os.environ["XDG_CACHE_HOME"])
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        base = Path(os.environ["LOCALAPPDATA"])
    else:
        base = Path.home() / ".cache"
    return base / "bpfree"
