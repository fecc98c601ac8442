# SPDX-License-Identifier: MIT
"""Slabs: which elements of a tensor one moved entry of a parameter reaches."""

from __future__ import annotations

from typing import NamedTuple


class Slab(NamedTuple):
    """Elements of a tensor (before, size, after) at one index k of the middle axis, k = place // divisor % size.

    The place says where a parameter is in its own way; size 1: the whole tensor.
    """

    before: int
    size: int
    after: int
    divisor: int = 1

    def at(self, place: int) -> int:
        """The index of the middle axis."""
        return place // self.divisor % self.size

    def within(self, total: int) -> Slab:
        """The same elements of a tensor that goes on behind them, up to so many in all; or all."""
        before, rest = divmod(total, self.size * self.after)
        return whole(total) if rest else self._replace(before=before)

    def quotients(self, divisor: int) -> Slab:
        """What e // divisor is for its elements e, or all that it can be."""
        before, size, after, place = self
        if after % divisor == 0:
            return Slab(before, size, after // divisor, place)
        step, rest = divmod(divisor, after)
        if rest == 0 and size % step == 0:
            return Slab(before, size // step, 1, place * step)
        return whole(before * size * after // divisor)

    def remainders(self, divisor: int) -> Slab:
        """What e % divisor is for its elements e, or all that it can be."""
        _, size, after, place = self
        if divisor % (size * after) == 0:
            return Slab(divisor // (size * after), size, after, place)
        kept, rest = divmod(divisor, after)
        if rest == 0 and size % kept == 0:
            return Slab(1, kept, after, place)
        return whole(divisor)


def whole(size: int) -> Slab:
    """Return the slab that is a whole tensor of this many elements."""
    return Slab(1, 1, size)


def select(values, axis: int, slab: Slab, place: int):
    """The elements of one axis of an array that a slab of it has, in order."""
    before, size, after, _ = slab
    own = values.reshape(*values.shape[:axis], before, size, after, *values.shape[axis + 1 :])
    own = own[(slice(None),) * (axis + 1) + (slab.at(place),)]
    return own.reshape(*values.shape[:axis], before * after, *values.shape[axis + 1 :])
