# SPDX-License-Identifier: MIT
"""Tensor trains by halves: neighbouring cores multiplied out, and gradients of W taken apart into those of cores."""

from __future__ import annotations

from math import prod

import numpy as np


def middle_of(cores) -> int:
    """Cores of the left half."""
    return (len(cores) + 1) // 2


def products(arithmetic, cores):
    """The products of either half: (O1.., I1.., r) and (r, ..Od, ..Id); of one core, itself and a one."""
    middle = middle_of(cores)
    left = _product(arithmetic, cores[:middle])[0]
    if middle == len(cores):
        return left, np.ones((1, 1, 1), left.dtype)
    return left, _product(arithmetic, cores[middle:])[..., 0]


def _product(arithmetic, cores):
    """Neighbouring cores as one, (r0, O1..Ok, I1..Ik, rk)."""
    rank, modes = cores[0].shape[0], [size for core in cores for size in core.shape[1:3]]
    order = [0, *range(2, len(modes) + 1, 2), *range(1, len(modes) + 1, 2), len(modes) + 1]
    whole = _partial_products(arithmetic, cores)[-1].reshape(rank, *modes, -1)
    outputs, inputs = prod(modes[1::2]), prod(modes[::2])
    return np.ascontiguousarray(whole.transpose(order)).reshape(rank, outputs, inputs, -1)


def _partial_products(arithmetic, cores):
    """Cores 1..k multiplied out, for k = 0..d: (r0 I1 O1 .. Ik Ok, rk), modes in that order."""
    found = [np.eye(cores[0].shape[0], dtype=cores[0].dtype)]
    for core in cores:
        wide = arithmetic.contract(found[-1].T, core.reshape(1, core.shape[0], -1))[0]
        found.append(wide.reshape(-1, core.shape[3]))
    return found


def onto_cores(arithmetic, cores, gradient):
    """Gradients of neighbouring cores from that of their product, (r0, O1..Ok, I1..Ik, rk).

    dL/dG_k = P_(k-1)^T T_k with P the cores before it multiplied out, and T_k the
    gradient contracted with the cores behind it.
    """
    d, outputs, inputs = len(cores), [core.shape[2] for core in cores], [core.shape[1] for core in cores]
    order = [0, *(axis for k in range(d) for axis in (1 + d + k, 1 + k)), 2 * d + 1]
    rest = np.ascontiguousarray(gradient.reshape(gradient.shape[0], *outputs, *inputs, -1).transpose(order))
    before, gradients = _partial_products(arithmetic, cores[:-1] or cores[:1]), []
    for k in reversed(range(d)):
        r0, i, o, r1 = cores[k].shape
        rest = rest.reshape(-1, i * o * r1)
        gradients.append(arithmetic.contract(before[k], rest[None])[0].reshape(cores[k].shape))
        if k:
            rest = arithmetic.contract(cores[k].reshape(r0, -1).T, rest.T[None])[0].T
    return gradients[::-1]


def swapped(values, a, b, c, d):
    """(a, b, c, d) as (a, c, b, d), contiguous."""
    return np.ascontiguousarray(values.reshape(a, b, c, d).transpose(0, 2, 1, 3))


def split(cores):
    """The left half and the right."""
    return cores[: middle_of(cores)], cores[middle_of(cores) :]


def product_macs(cores):
    """Of `_partial_products`, from shapes (r, I, O, r'); and the elements (r, I1, O1, .., Ik, Ok) of the product."""
    macs, rows = 0, cores[0][0] if cores else 1
    for r0, i, o, r1 in cores:
        macs, rows = macs + rows * r0 * i * o * r1, rows * i * o
    return macs, rows


def onto_cores_macs(cores):
    """Of `onto_cores`: the products before each core, its gradient, and, but for the first, what goes on from it."""
    macs, rows = product_macs(cores[:-1] or cores[:1])[0], cores[0][0] if cores else 1
    for k, (r0, i, o, r1) in enumerate(cores):
        macs += (2 if k else 1) * rows * r0 * i * o * r1
        rows *= i * o
    return macs
