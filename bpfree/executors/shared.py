# SPDX-License-Identifier: MIT
"""Arrays in memory that processes share: a file without a name, so nothing is left of it however they end."""

from __future__ import annotations

import mmap
import os
import tempfile

import numpy as np

_ALIGN = 64


class SharedArrays:
    """One process writes arrays, others, given the file descriptor and the places, read them."""

    def __init__(self, descriptor: int | None = None):
        self.descriptor = _nameless_file() if descriptor is None else descriptor
        self._size, self._map = 0, None

    def write(self, arrays) -> list:
        """The places of the arrays (or Nones), from which `read` has them; what was there is overwritten."""
        places, end = [], 0
        for array in arrays:
            places.append(None if array is None else (array.dtype, array.shape, end))
            end += 0 if array is None else -(-array.nbytes // _ALIGN) * _ALIGN
        if end > self._size:
            os.ftruncate(self.descriptor, end)
            self._open(end, mmap.ACCESS_WRITE)
        for array, place in zip(arrays, places, strict=True):
            if place is not None:
                self._view(*place)[...] = array
        return places

    def read(self, places) -> list:
        """Views of the arrays, which cannot be written to."""
        size = os.fstat(self.descriptor).st_size
        if size != self._size:
            self._open(size, mmap.ACCESS_READ)
        return [None if place is None else self._view(*place) for place in places]

    def _open(self, size: int, access: int) -> None:
        self._map = mmap.mmap(self.descriptor, size, access=access)  # views of the old one keep it
        self._size = size

    def _view(self, dtype, shape, offset):
        return np.ndarray(shape, dtype, self._map, offset)

    def close(self) -> None:
        """Give the file back; the memory goes with the last process that has it."""
        os.close(self.descriptor)
        self._map = None


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("bpfree")
    descriptor, path = tempfile.mkstemp(prefix="bpfree-")
    os.unlink(path)
    return descriptor
