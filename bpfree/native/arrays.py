# SPDX-License-Identifier: MIT
"""The one gate for arrays, and the one place where a status becomes an exception."""

from __future__ import annotations

import numpy as np

from bpfree.errors import NOT_STRICT, BpfreeError, FormatError, NumericError
from bpfree.native.loading import core

_C_TYPES = {np.dtype(np.float32): "float *", np.dtype(np.uint32): "uint32_t *"}

_MEANINGS = {
    -1: (ValueError, "an argument is out of range"),
    -2: (ValueError, "a buffer is too small"),
    -3: (ValueError, "a buffer is not aligned"),
    -4: (FormatError, "bytes are not what they claim to be"),
    -5: (FormatError, "format version not readable by this build"),
    -6: (FormatError, "bytes belong to another model"),
    -7: (FormatError, "checksum mismatch"),
    -8: (OSError, "a storage hook failed"),
    -9: (NumericError, "a loss is not finite (try a smaller lr or mu)"),
    -10: (BpfreeError, "storage is full"),
    -11: (BpfreeError, "the sample callback returned an error"),
    -12: (NumericError, NOT_STRICT),
}


def pointer(name: str, array: np.ndarray, dtype, shape: tuple[int, ...], *, writable: bool = False):
    """Return a C pointer into an array, which the caller keeps alive during the call.

    Raises TypeError or ValueError naming the argument, what was expected and what was given.
    """
    dtype = np.dtype(dtype)
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        raise TypeError(f"{name}: expected a {dtype} array, got {getattr(array, 'dtype', type(array).__name__)}")
    if array.shape != tuple(shape):
        raise ValueError(f"{name}: expected shape {tuple(shape)}, got {array.shape}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name}: expected a C-contiguous array")
    if writable and not array.flags.writeable:
        raise ValueError(f"{name}: expected a writable array")
    ffi = core().ffi
    return ffi.from_buffer(_C_TYPES[dtype], array, require_writable=writable)


def aligned(n: int, dtype=np.float32) -> np.ndarray:
    """Return n uninitialised 4-byte elements on a 64-byte boundary."""
    raw = np.empty(n * 4 + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + n * 4].view(dtype)


def check_status(status: int, what: str) -> None:
    """Raise the exception that a negative status stands for; +1 says that there is more to do."""
    if status < 0:
        kind, meaning = _MEANINGS.get(status, (BpfreeError, "unknown status"))
        raise kind(f"{what}: {meaning} (status {status})")
