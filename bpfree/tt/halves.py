# SPDX-License-Identifier: MIT
"""Tensor trains by halves: products of neighbouring cores."""

from __future__ import annotations

from math import prod

import numpy as np


def middle_of(cores) -> int:
    """Return the number of cores in the left half."""
    return (len(cores) + 1) // 2


def products(arithmetic, cores):
    """Return the products of both halves, (O1.., I1.., r) and (r, ..Od, ..Id); for one core, the second is a one."""
    middle = middle_of(cores)
    left = _product(arithmetic, cores[:middle])[0]
    if middle == len(cores):
        return left, np.ones((1, 1, 1), left.dtype)
    return left, _product(arithmetic, cores[middle:])[..., 0]


def _product(arithmetic, cores):
    """Return the product of neighbouring cores, (r0, O1..Ok, I1..Ik, rk)."""
    rank, modes = cores[0].shape[0], [size for core in cores for size in core.shape[1:3]]
    order = [0, *range(2, len(modes) + 1, 2), *range(1, len(modes) + 1, 2), len(modes) + 1]
    whole = _partial_products(arithmetic, cores)[-1].reshape(rank, *modes, -1)
    outputs, inputs = prod(modes[1::2]), prod(modes[::2])
    return np.ascontiguousarray(whole.transpose(order)).reshape(rank, outputs, inputs, -1)


def _partial_products(arithmetic, cores):
    """Return the products of cores 1..k for k = 0..d, each (r0 I1 O1 .. Ik Ok, rk) with modes in this order."""
    found = [np.eye(cores[0].shape[0], dtype=cores[0].dtype)]
    for core in cores:
        wide = arithmetic.contract(found[-1].T, core.reshape(1, core.shape[0], -1))[0]
        found.append(wide.reshape(-1, core.shape[3]))
    return found


def swapped(values, a, b, c, d):
    """Return values (a, b, c, d) as (a, c, b, d), contiguous."""
    return np.ascontiguousarray(values.reshape(a, b, c, d).transpose(0, 2, 1, 3))


def split(cores):
    """Return the cores of the left half and of the right half."""
    return cores[: middle_of(cores)], cores[middle_of(cores) :]


def product_macs(cores):
    """Return the MACs of `_partial_products` for core shapes (r, I, O, r'), and its last number of rows, r I1 O1 ..."""
    macs, rows = 0, cores[0][0] if cores else 1
    for r0, i, o, r1 in cores:
        macs, rows = macs + rows * r0 * i * o * r1, rows * i * o
    return macs, rows
