# SPDX-License-Identifier: MIT
"""The runtime as archives that frameworks install: an Arduino library, a CMSIS pack, and the folder as it is.

    bpfree-0.1.0.zip              CMake, PlatformIO, Zephyr, ESP-IDF, Makefiles: include/, src/, manifests
    bpfree-0.1.0-arduino.zip      Arduino, which knows no include/ and compiles all that lies in src/
    bpfree.bpfree.0.1.0.pack      Keil, IAR, CMSIS-Toolbox, Arm's VS Code extensions
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from bpfree.exporters.runtime import listed_sources, runtime_folder

__all__ = ["export"]

_FOLDERS = ("cmake", "include", "src", "zephyr")
_FILES = ("CMakeLists.txt", "idf_component.yml", "library.json", "sources.txt")
"""Folders and files of the runtime that its archive has beside the texts."""

_TEXTS = ("FORMAT.md", "LICENSE", "README.md")
"""Files that every archive has."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in an archive, the first that the format has: equal sources make equal archives."""

_ARDUINO_HEADER = '/* SPDX-License-Identifier: MIT */\n#include "bpfree/bpfree.h"\n'


def export(folder) -> list[Path]:
    """Write the C runtime as packages of build systems into `folder`; returns the archives' paths.

    Equal sources make equal bytes, on every machine. Existing archives of these names are replaced.

    Args:
        folder: made if missing.

    Raises OSError when a write fails.

    >>> import tempfile
    >>> [path.suffix for path in export(tempfile.mkdtemp())]
    ['.zip', '.zip', '.pack']
    """
    version = _version()
    archives = {
        f"bpfree-{version}.zip": _zipped(_runtime(), "bpfree/"),
        f"bpfree-{version}-arduino.zip": _zipped(_arduino(), "bpfree/"),
        f"bpfree.bpfree.{version}.pack": _zipped(_cmsis(), ""),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in archives.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in archives]


def _runtime() -> dict[str, bytes]:
    """The runtime's folder without what is of use in a checkout only."""
    files = {f"{folder}/{name}": data for folder in _FOLDERS for name, data in _files(f"{folder}/").items()}
    return files | {name: (runtime_folder() / name).read_bytes() for name in _FILES} | _texts()


def _arduino() -> dict[str, bytes]:
    """A library of the 1.5 format: headers lie in src/ too, as that is the one folder on the path of headers."""
    files = _files("arduino/") | {f"src/bpfree/{name}": data for name, data in _files("include/bpfree/").items()}
    files |= {f"src/{name}": data for name, data in _device_sources().items()}
    return files | {"src/bpfree.h": _ARDUINO_HEADER.encode(), **_texts()}


def _cmsis() -> dict[str, bytes]:
    files = _files("cmsis/") | {f"include/{name}": data for name, data in _files("include/").items()}
    return files | {f"src/{name}": data for name, data in _device_sources().items()} | _texts()


def _device_sources() -> dict[str, bytes]:
    """What lies in src/, without the files of a computer."""
    host = listed_sources()["host"]
    return {name: data for name, data in _files("src/").items() if name not in host}


def _texts() -> dict[str, bytes]:
    return {name: (runtime_folder() / name).read_bytes() for name in _TEXTS}


def _files(below: str) -> dict[str, bytes]:
    """Files of a folder of the runtime, by their paths in it."""
    folder = runtime_folder() / below
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _zipped(files: dict[str, bytes], root: str) -> bytes:
    """A zip archive of these files below `root`, in the order of their names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(root + name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # the mode is one of Unix, wherever this runs
            archive.writestr(entry, data)
    return buffer.getvalue()


def _version() -> str:
    """The version of the sources, as version.gen.h says."""
    header = (runtime_folder() / "include" / "bpfree" / "version.gen.h").read_text()
    return re.search(r'BPFREE_VERSION "(.+)"', header).group(1)
