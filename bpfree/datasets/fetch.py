# SPDX-License-Identifier: MIT
"""Where the files of a data set are: a folder of the user's, the cache, or their public source.

BPFREE_DATA names a folder with one folder a data set in it; it is looked at
first and never written. BPFREE_OFFLINE=1 forbids downloads. A file counts only
with the checksum it was published with, wherever it comes from.
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
"""Seconds without a byte after which a source counts as not there."""

_CHUNK = 1 << 16
_REMEDY = "not the published file; delete it, and it is downloaded again"


@dataclass(frozen=True)
class File:
    """One published file: its path inside the data set's folder, bytes, sha256, and addresses in the order tried.

    Without sha256, size is the most it may have, and who reads it checks what is in it.
    """

    name: str
    size: int
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """The folder of a data set, and its files."""

    folder: str
    files: tuple[File, ...]

    def folders(self) -> list[Path]:
        """Where the files are looked for, in this order."""
        found = [cache_folder() / self.folder]
        given = os.environ.get("BPFREE_DATA")
        if given:
            if not Path(given).is_dir():
                raise FileNotFoundError(f"BPFREE_DATA: expected a folder, got {given!r}")
            found.insert(0, Path(given) / self.folder)
        return found

    def find(self, file: File) -> Path | None:
        """Where the file is on this machine."""
        return next((path for folder in self.folders() if (path := folder / file.name).is_file()), None)

    def missing(self) -> list[str]:
        """Names of the files that are not on this machine."""
        return [file.name for file in self.files if self.find(file) is None]

    def read(self, file: File, progress: bool | None = None) -> bytes:
        """The bytes of a file, found or downloaded into the cache; never bytes of another checksum.

        Raises FormatError for a local file that is not the published one, and
        DataMissingError when there is none and it cannot be fetched.
        """
        path = self.find(file)
        return _published(path, file) if path else self.download(file, lambda path: _published(path, file), progress)

    def download(self, file: File, accept, progress: bool | None = None):
        """Fetch a file into the cache, from the first address whose bytes are accepted; returns accept's result.

        accept(path) reads the temporary file or raises FormatError. Only then
        does the file get its name, in one step: what lies in the cache is whole.
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
    """The file's bytes, if they are the published ones."""
    size = path.stat().st_size
    if size != file.size:  # looked at first: a file of another size need not fit in memory
        raise FormatError(f"{path}: expected {file.size:,} bytes, got {size:,}: {_REMEDY}")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != file.sha256:
        raise FormatError(f"{path}: expected sha256 {file.sha256}, got {digest}: {_REMEDY}")
    return data


def _copy(url: str, out, most: int, description: str, progress: bool | None) -> None:
    """The bytes at an address, if they are not too many."""
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
