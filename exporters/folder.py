# SPDX-License-Identifier: MIT
"""A folder of generated files: what somebody changed since stays theirs, and a set is written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_WRITTEN = "Written by bpfree, hash of what follows"
_RULE = "Once that is changed the file is yours."


def marked(text: str, comment: str = "/* {} */") -> bytes:
    """A file's text behind the line that says who wrote it, with a hash of the text.

    >>> marked("int main(void);", "// {}").decode().splitlines()[0]
    '// Written by bpfree, hash of what follows: 506741a54ad95273. Once that is changed the file is yours.'
    """
    body = text.encode()
    return f"{comment.format(f'{_WRITTEN}: {_hash(body)}. {_RULE}')}\n".encode() + body


def is_marked(data: bytes) -> bool:
    """Return whether these are the bytes of a file that `marked` made and nobody has changed."""
    line, _, body = data.partition(b"\n")
    return f"{_WRITTEN}: {_hash(body)}.".encode() in line


def write_folder(folder: Path, files: dict[str, bytes], yours, stale) -> list[str]:
    """Write these files, all of them or none, and return the names of those that are the user's and were kept.

    files: bytes as `marked` makes them, by name in the folder. yours: names that may be the user's; of others it is
    an error. stale: patterns of what is deleted where no file is written, if it is as `marked` made it.

    A file that has its bytes already is not touched. Raises ValueError, and OSError when a write fails; the folder is
    then as it was.
    """
    users = [name for name in files if _is_users(folder / name)]
    foreign = [name for name in users if name not in yours]
    if foreign:
        some = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        ways = "move them away (files of an earlier bpfree count as yours), or export to another folder"
        raise ValueError(f"folder: expected files as an export left them, got others in {folder}: {some}: {ways}")
    new = {name: data for name, data in files.items() if name not in users and not _holds(folder / name, data)}
    found = {path.relative_to(folder).as_posix() for pattern in stale for path in folder.glob(pattern)}
    old = [name for name in sorted(found - set(files)) if (folder / name).is_file() and not _is_users(folder / name)]
    if new or old:
        _replace(folder, new, old)
    return users


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


def _is_users(path: Path) -> bool:
    """Return whether there is something, and it is not as `marked` made it."""
    return os.path.lexists(path) and not (path.is_file() and is_marked(path.read_bytes()))


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _replace(folder: Path, new: dict[str, bytes], old: list[str]) -> None:
    """Write the new files in the place of what is there and remove the old ones; undo it all where that fails."""
    places = {(folder / name).parent for name in new}
    made = [place for place in sorted({*places, *(up for own in places for up in own.parents)}) if not place.exists()]
    drafts = None
    try:
        for place in made:
            place.mkdir()
        drafts = Path(tempfile.mkdtemp(prefix=".bpfree-", dir=folder))
        for k, (name, data) in enumerate(new.items()):
            (drafts / f"new{k}").write_bytes(data)
            if (folder / name).exists():
                shutil.copymode(folder / name, drafts / f"new{k}")
        _move(folder, drafts, list(new), old)
    except BaseException as error:
        _remove(drafts)
        for place in reversed(made):
            with suppress(OSError):
                place.rmdir()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, os.fspath(folder)) from None
        raise
    _remove(drafts)


def _move(folder: Path, drafts: Path, new: list[str], old: list[str]) -> None:
    """Move the drafts to their places, and what was there to the drafts; back again where a move fails."""
    begun = []
    try:
        for k, name in enumerate([*new, *old]):
            place, kept = folder / name, drafts / f"old{k}"
            begun.append((place, kept, place.exists()))
            if place.exists():
                os.replace(place, kept)
            if k < len(new):
                os.replace(drafts / f"new{k}", place)
    except BaseException:
        for place, kept, was_there in reversed(begun):
            if kept.exists():
                os.replace(kept, place)
            elif not was_there:
                place.unlink(missing_ok=True)
        raise


def _remove(drafts: Path | None) -> None:
    if drafts is not None:
        shutil.rmtree(drafts, ignore_errors=True)
