# SPDX-License-Identifier: MIT
"""How many elements of each parameter tensor are probed when only a share of all of them is."""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np

from bpfree.errors import check_finite, check_normal

DENSITIES = {
    "uniform": lambda shape: 1.0,
    "erk": lambda shape: sum(shape) / prod(shape),
}
"""Relative density of a tensor by its shape. ERK (Erdos-Renyi-Kernel: Evci et al., "Rigging the lottery", ICML 2020)
thins out large tensors; a vector, such as a bias, has the highest there is, 1, as in their code where it is dense."""

COMPUTED = ("magnitude", "grasp")
"""What :func:`bpfree.layer_ratios` computes of a model, before it is trained."""

_HALVINGS = 200
"""Halvings of the bracket in `apportion`, after which nothing is left of it in float64."""


def check_ratios(ratios):
    """None, a name of DENSITIES, or numbers >= 0 as a tuple of floats; or raise."""
    names = ", ".join(map(repr, DENSITIES))
    expected = f"None, {names} or numbers >= 0, one for each parameter tensor, such as layer_ratios gives"
    if ratios is None or (isinstance(ratios, str) and ratios in DENSITIES):
        return ratios
    if isinstance(ratios, str) and ratios in COMPUTED:
        raise ValueError(f"ratios: expected numbers, such as layer_ratios({ratios!r}, ...) gives, got {ratios!r}")
    if isinstance(ratios, str):
        raise ValueError(f"ratios: expected {expected}, got {ratios!r}")
    if not isinstance(ratios, tuple | list | np.ndarray):
        raise TypeError(f"ratios: expected {expected}, got {ratios!r}")
    numbers = tuple(check_finite("ratios", ratio) for ratio in ratios)
    if not numbers or min(numbers) < 0 or max(numbers) == 0:
        raise ValueError(f"ratios: expected {expected}, not all 0, got {ratios!r}")
    for number in filter(None, numbers):
        check_normal("ratios", number)
    return numbers


def counts(ratios, slices, n: int) -> tuple[int, ...]:
    """Elements probed of each of these trainable slices, n in all."""
    if isinstance(ratios, str):
        ratios = tuple(DENSITIES[ratios](part.shape) for part in slices)
    if len(ratios) != len(slices):
        names = ", ".join(part.name for part in slices)
        raise ValueError(f"ratios: expected {len(slices)} numbers, for {names}, got {len(ratios)}")
    return apportion(ratios, tuple(part.size for part in slices), n)


@lru_cache(maxsize=16)
def apportion(ratios: tuple[float, ...], sizes: tuple[int, ...], n: int) -> tuple[int, ...]:
    """n elements over tensors of these sizes in densities c ratio, c the same for all.

    None is more than full, and none with a ratio > 0 is without an element, as
    it would never be trained; what is left of n goes to the others. Whole
    numbers by largest remainders, the first tensor first among equals.

    >>> apportion((1.0, 1.0, 4.0), (100, 10, 10), 60)
    (45, 5, 10)
    """
    ratios, sizes = np.array(ratios), np.array(sizes)
    least, most = (ratios > 0).astype(int), np.where(ratios > 0, sizes, 0)
    if not least.sum() <= n <= most.sum():
        limits = f"{least.sum()} to {most.sum()} of {sizes.sum()} elements"
        raise ValueError(f"fraction: expected {limits}, as ratios allow, got {n}")
    whole = ratios / ratios.max() * sizes

    def at(c):
        return np.clip(c * whole, least, most)

    low, high = 0.0, 1.0
    while at(high).sum() < n:
        high *= 2.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle).sum() < n else (low, middle)
    exact = at(high)
    result = np.floor(exact + 1e-9).astype(int)
    remainders = np.where(result < most, exact - result, -1.0)
    result[np.argsort(-np.round(remainders, 9), kind="stable")[: n - result.sum()]] += 1
    return tuple(result.tolist())
