# SPDX-License-Identifier: MIT
"""Finds the files of a data set: in a folder of the user's, in the cache, or at their public source.

The environment variable BPFREE_DATA names a folder that holds one folder per
data set; it is searched first and never written to. BPFREE_OFFLINE=1 forbids
downloads. Wherever a file comes from, it is accepted only if its checksum is
the published one.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from bpfree.errors import DataMissingError, FormatError
from bpfree.files import cache_folder
from bpfree.screen.progress import live_bar

TIMEOUT_S = 30.0
"""Seconds without a byte after which an address is given up."""

_CHUNK = 1 << 16
_REMEDY = "not the published file; delete it, and it is downloaded again"


@dataclass(frozen=True)
class File:
    """One published file: its path in the data set's folder, size in bytes, sha256, and addresses in order of trial.

    Where sha256 is empty, size is an upper limit and the reader verifies the contents instead.
    """

    name: str
    size: int
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """The files of one data set, and the name of the folder that holds them."""

    folder: str
    files: tuple[File, ...]

    def folders(self) -> list[Path]:
        """Return the folders to search for the files, in this order."""
        found = [cache_folder() / self.folder]
        given = os.environ.get("BPFREE_DATA")
        if given:
            if not Path(given).is_dir():
                raise FileNotFoundError(f"BPFREE_DATA: expected a folder, got {given!r}")
            found.insert(0, Path(given) / self.folder)
        return found

    def find(self, file: File) -> Path | None:
        """Return the path of the file on this machine; None where it is missing."""
        return next((path for folder in self.folders() if (path := folder / file.name).is_file()), None)

    def missing(self) -> list[str]:
        """Return the names of the files that are not on this machine."""
        return [file.name for file in self.files if self.find(file) is None]

    def read(self, file: File, progress: bool | None = None) -> bytes:
        """Return the bytes of a file, found on disk or downloaded into the cache, with its checksum verified.

        Raises FormatError for a local file that is not the published one, and
        DataMissingError where the file is neither on disk nor can be downloaded.
        """
        path = self.find(file)
        return _published(path, file) if path else self.download(file, lambda path: _published(path, file), progress)

    def download(self, file: File, accept, progress: bool | None = None):
        """Download a file into the cache from the first address whose bytes are accepted; return accept's result.

        accept(path) reads the temporary file, or raises FormatError. The file is
        renamed atomically only after that, so the cache never holds a partial file.
        """
        target, reasons, urls = cache_folder() / self.folder / file.name, [], file.urls
        if os.environ.get("BPFREE_OFFLINE", "") not in ("", "0"):
            reasons, urls = ["nothing, as BPFREE_OFFLINE is set"], ()
        for url in urls:
            target.parent.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
            try:
                with os.fdopen(number, "wb") as out:
                    _copy(url, out, file.size, f"{self.folder} (kB)", progress)
                result = accept(Path(name))
                os.replace(name, target)
                return result
            except (OSError, HTTPException, FormatError) as error:
                why = str(error).replace(f"{name}: ", "").replace(_REMEDY, "not the published file")
                reasons.append(f"{url}: {why}")
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name)
        raise DataMissingError(self._instructions(file, reasons))

    def _instructions(self, file: File, reasons) -> str:
        missing = [file, *(f for f in self.files if f != file and self.find(f) is None)]
        return "\n".join(
            [
                f"{self.folder}: {file.name} is not on this machine and could not be fetched.",
                "Looked in:",
                *(f"  {folder}" for folder in self.folders()),
                "Tried:",
                *(f"  {reason}" for reason in reasons),
                "What to do: download where there is a network",
                *(f"  {' or '.join(f.urls)}" for f in missing),
                f"and put into {cache_folder() / self.folder}, or into FOLDER/{self.folder} with BPFREE_DATA=FOLDER:",
                *(f"  {f.name}" for f in missing),
            ]
        )


def _published(path: Path, file: File) -> bytes:
    """Return the bytes at path; raise FormatError unless they are the published ones."""
    size = path.stat().st_size
    if size != file.size:  # checked before reading: a file of another size may not fit in memory
        raise FormatError(f"{path}: expected {file.size:,} bytes, got {size:,}: {_REMEDY}")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != file.sha256:
        raise FormatError(f"{path}: expected sha256 {file.sha256}, got {digest}: {_REMEDY}")
    return data


def _copy(url: str, out, most: int, description: str, progress: bool | None) -> None:
    """Write the bytes at an address to out; raise OSError for more than `most` bytes."""
    if not url.startswith(("https://", "http://")):
        raise OSError("expected an http address")
    with (
        urlopen(Request(url, headers={"User-Agent": "bpfree"}), timeout=TIMEOUT_S) as answer,
        live_bar((answer.length or most) // 1000, description, progress) as show,
    ):
        done = 0
        while chunk := answer.read(_CHUNK):
            done += len(chunk)
            if done > most:
                raise OSError(f"more than {most:,} bytes")
            out.write(chunk)
            show(done // 1000)
