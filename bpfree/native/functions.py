# SPDX-License-Identifier: MIT
"""Thin wrappers of single C functions."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_count
from bpfree.native.arrays import check_status, pointer
from bpfree.native.loading import core

_MATH = ("exp", "log", "tanh", "sigmoid", "sin", "cos", "expm1", "log1p")


def threefry(key, counter) -> tuple[int, int]:
    """Return the two words for a key and a counter, by `bpfree_threefry`."""
    out = core().ffi.new("uint32_t[2]")
    core().lib.bpfree_threefry(list(key), list(counter), out)
    return out[0], out[1]


def shuffle(seed: int, epoch: int, n: int, i: int) -> int:
    """Return position i of the shuffled order of n items, by `bpfree_shuffle`."""
    check_count("n", n, 1, 2**31)
    return core().lib.bpfree_shuffle(seed, epoch, n, check_count("i", i, 0, n - 1))


def permute(domain: int, seed: int, step: int, n: int, i: int, *, part: int = 0, inverse: bool = False) -> int:
    """Return P(i), or if `inverse` the k with P(k) = i. P: the keyed permutation of [0, n) of a part of a domain."""
    check_count("n", n, 1, 2**31)
    function = core().lib.bpfree_unpermute if inverse else core().lib.bpfree_permute
    return function(domain, part, seed, step, n, check_count("i", i, 0, n - 1))


def batch_indices(seed: int, step: int, batch: int, n: int) -> list[int]:
    """Return the sample numbers of a minibatch, by `bpfree_batch_index`."""
    check_count("batch", batch, 1, check_count("n", n, 1, 2**31))
    return [core().lib.bpfree_batch_index(seed, step, batch, n, i) for i in range(batch)]


def schedule_factor(number: int, settings, step: int) -> float:
    """Return the factor at a step of row `number` of the table of schedules."""
    return core().lib.bpfree_registry_schedule(number)(list(settings), step)


def theta_hash(theta: np.ndarray) -> str:
    """Return the hash of theta in 16 hex digits, by `bpfree_hash`."""
    values = pointer("theta", theta, np.float32, theta.shape)
    return f"{core().lib.bpfree_hash(values, theta.size):016x}"


def math32(name: str, x: np.ndarray, isa: int = 0) -> np.ndarray:
    """Return the runtime's own "exp", "log", "tanh", "sigmoid", "sin", "cos", "expm1" or "log1p" of a float32 array."""
    x = np.ascontiguousarray(x)
    y = np.empty_like(x)
    status = core().lib.bpfree_math(
        isa, _MATH.index(name), x.size, pointer("x", x, np.float32, x.shape), pointer("y", y, np.float32, x.shape)
    )
    check_status(status, name)
    return y


def contract_parts(isa: int, y: np.ndarray, a: np.ndarray, x: np.ndarray) -> None:
    """Add sum_k a[k, m] x[p, k, n] to y[p, m, n] in place; y, x contiguous (`bpfree_contract_parts`)."""
    parts, inner, columns = x.shape
    strides = [stride // a.itemsize for stride in a.strides]
    lib, ffi = core().lib, core().ffi
    base = ffi.cast("float *", a.ctypes.data)
    arguments = (ffi.from_buffer("float *", y), base, *strides, ffi.from_buffer("float *", x))
    lib.bpfree_contract_parts(isa, *arguments, parts, a.shape[1], inner, columns)


def outer_parts(isa: int, d: np.ndarray, x: np.ndarray) -> np.ndarray:
    """y[m, k] = sum over p, then c, of d[p, m, c] x[p, k, c]; d, x contiguous (`bpfree_outer_parts`)."""
    (parts, rows, columns), inner = d.shape, x.shape[1]
    lib, ffi = core().lib, core().ffi
    y, strip = np.zeros((rows, inner), np.float32), np.empty((lib.BPFREE_OUTER_STRIP, inner), np.float32)
    own, left, right, room = (ffi.from_buffer("float *", array) for array in (y, d, x, strip))
    lib.bpfree_outer_parts(isa, own, left, right, parts, rows, inner, columns, room)
    return y


def isa_names(*, supported: bool = True) -> list[str]:
    """Return the instruction sets that kernels were built for: those of this processor, or all with supported=False."""
    names, number = [], 0
    while core().lib.bpfree_isa_name(number) != core().ffi.NULL:
        if not supported or core().lib.bpfree_isa_supported(number):
            names.append(core().ffi.string(core().lib.bpfree_isa_name(number)).decode())
        number += 1
    return names


def registry_name(table: str, number: int) -> str | None:
    """Return the name of a row of a C table, or None where there is no such row."""
    name = core().lib.bpfree_registry_name(table.encode(), number)
    return None if name == core().ffi.NULL else core().ffi.string(name).decode()
