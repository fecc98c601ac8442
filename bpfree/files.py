# SPDX-License-Identifier: MIT
"""Files: written whole or not at all, .npz read from anywhere, and where bpfree keeps what it can fetch again."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bpfree.errors import FormatError, check_path
from bpfree.npy import parse_npy

_UNREADABLE = (OSError, EOFError, ValueError, LookupError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What zipfile and `parse_npy` raise on damaged or foreign bytes."""


def write_atomically(path, data: bytes) -> None:
    """Write a file beside its place, then move it there: a reader sees the old bytes or the new, never half.

    As `replacing` does it. Raises OSError naming `path`; the old file is then untouched.
    """
    with replacing(path) as draft, open(draft, "wb") as file:
        file.write(data)


@contextmanager
def replacing(path) -> Iterator[Path]:
    """The path of a draft beside `path`; what is written to it takes the place of `path`, whole or not at all.

    The draft is a new file under a name that nobody can foresee, and ends like
    `path`. A link is followed: what it points to is replaced, in the folder where
    that lies. Mode and owner of the old file stay; a new one has what the umask
    leaves. What is no regular file (a device, a pipe) is written to as it is.
    Raises OSError naming `path`; the old file is then untouched.
    """
    check_path("path", path)
    if os.path.exists(path) and not os.path.isfile(path):
        yield Path(path)
        return
    place = Path(os.path.realpath(path))
    draft = place.with_name(secrets.token_hex(8).join(_around(place)))
    try:
        old = place.stat() if place.exists() else None
        mode = 0o666 if old is None else 0o600  # nobody may read it who could not read the old one
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))  # nothing planted there is opened
        try:
            yield draft
            _settle(draft, old)
            os.replace(draft, place)
        finally:
            draft.unlink(missing_ok=True)  # unless it was moved
    except OSError as error:
        others = error.filename is not None and str(error.filename) not in (str(draft), str(place))
        if others or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def remove_drafts(path) -> None:
    """Remove the drafts that writers of this file left behind when they were killed; none may be writing it now."""
    place = Path(os.path.realpath(path))
    before, after = _around(place)
    draft = re.compile(rf"{re.escape(before)}[0-9a-f]{{16}}{re.escape(after)}")
    for other in place.parent.iterdir() if place.parent.is_dir() else ():
        if draft.fullmatch(other.name):
            other.unlink(missing_ok=True)


def _around(place: Path) -> tuple[str, str]:
    """What of a draft's name is before and after its random part; short enough where the name of the file is not."""
    short, suffix = short_name(place.name), place.suffix
    if short != place.name:
        return f".{short}.", f".tmp{suffix if len(os.fsencode(suffix)) < 16 else ''}"
    return f".{place.stem}.", f".tmp{suffix}"


def short_name(name: str) -> str:
    """A file's name or, where it is so long that little could be added to it, its start and a checksum.

    >>> short_name("run.ckpt"), short_name("r" * 250)
    ('run.ckpt', 'rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr~0d9838d1')
    """
    data = os.fsencode(name)
    return f"{name[:32]}~{zlib.crc32(data):08x}" if len(data) > 200 else name


def _settle(draft: Path, old) -> None:
    """Give a draft the owner and mode of the old file, and return when its bytes are on the disk."""
    descriptor = os.open(draft, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if old is not None:
        if hasattr(os, "chown"):
            with suppress(OSError):  # only root gives files away
                os.chown(draft, old.st_uid, old.st_gid)
        os.chmod(draft, stat.S_IMODE(old.st_mode))


def open_regular(path) -> BinaryIO:
    """Open a file for reading. Raises FormatError for a folder, a pipe or a device, which may never begin or end."""
    check_path("path", path)
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise FormatError(f"{path}: expected a file, got a socket") from None
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return open(descriptor, "rb")
    os.close(descriptor)
    kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
    raise FormatError(f"{path}: expected a file, got {kind}")


def read_bytes(path) -> bytes:
    """The bytes that a file has now, which later changes of it do not change. Raises as `open_regular` does."""
    with open_regular(path) as file:
        return read_start(file, os.fstat(file.fileno()).st_size)


def read_start(file, size: int) -> bytes:
    """The first bytes of an open file, `size` or, where it is shorter, fewer."""
    file.seek(0)
    parts = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


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
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            there = {member.removesuffix(".npy") for member in archive.namelist()}
            missing = [name for name in names if name not in there]
            if missing:
                raise ValueError(f"expected arrays {', '.join(names)}, got {', '.join(sorted(there)[:9]) or 'none'}")
            wanted = [*names, *(name for name in optional if name in there)]
            size = os.fstat(file.fileno()).st_size
            return {name: _read(archive, archive.getinfo(f"{name}.npy"), size) for name in wanted}
    except (FileNotFoundError, FormatError):
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
