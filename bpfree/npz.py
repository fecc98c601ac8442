# SPDX-License-Identifier: MIT
"""Reading .npz files from anywhere: never a pickle, never more memory than the file is long."""

from __future__ import annotations

import zipfile
import zlib
from math import prod

import numpy as np

from bpfree.errors import FormatError, check_path

_UNREADABLE = (OSError, EOFError, ValueError, LookupError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What zipfile and numpy's header reader raise on damaged or foreign bytes."""


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
            return {name: _read(archive, archive.getinfo(f"{name}.npy")) for name in wanted}
    except FileNotFoundError:
        raise
    except _UNREADABLE as error:
        raise FormatError(f"{path}: not a {what}: {error}") from None


def _read(archive, member) -> np.ndarray:
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed: write it with numpy.savez")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"{member.filename}: npy version {version}, expected (1, 0)")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject:
            raise ValueError(f"{member.filename}: expected plain numbers, got Python objects")
        data = file.read()  # reading to the end also checks the member's CRC
    if len(data) != prod(shape) * dtype.itemsize:
        raise ValueError(f"{member.filename}: {len(data)} bytes for shape {shape} of {dtype}")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
