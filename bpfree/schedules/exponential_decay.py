# SPDX-License-Identifier: MIT
"""Exponential decay: a staircase of powers, multiplied by `rate` every so many steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_count, check_normal
from bpfree.schedules.table import LONGEST, Schedule, ScheduleRow


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """The settings of an exponential decay, made by exponential_decay()."""

    rate: float
    every: int

    def __post_init__(self):
        super().__post_init__()
        if check_normal("rate", self.rate) > 1:
            raise ValueError(f"rate: expected a number in (0, 1], got {self.rate!r}")
        if self.end > self.start:
            raise ValueError(f"end: expected at most start={self.start!r}, got {self.end!r}")
        check_count("every", self.every, 1, LONGEST)

    @property
    def shape_settings(self) -> tuple[float, ...]:
        """{rate, every}."""
        return (self.rate, float(self.every))

    def shape(self, step, end):
        """max(rate^(t // every), end), where the power is by squaring from the lowest bit, one rounding per product."""
        power, square, times = np.float32(1), np.float32(self.rate), step // self.every
        while times:
            if times & 1:
                power = power * square
            square = square * square
            times >>= 1
        return max(power, end)


def exponential_decay(
    start: float, rate: float, every: int = 1, end: float = 0.0, warmup: int = 0
) -> ExponentialDecay:
    """Return a schedule that is multiplied by `rate` after every `every` steps, but does not fall below end.

        value(t) = max(start rate^(t // every), end)

    The values of the first `warmup` steps are multiplied by (t + 1) / warmup.

    >>> import bpfree as bf
    >>> [round(float(bf.exponential_decay(0.1, 0.5, every=100).value(step)), 4) for step in (0, 99, 100, 200)]
    [0.1, 0.1, 0.05, 0.025]
    """
    return ExponentialDecay(start, end, warmup, rate, every)


ROW = ExponentialDecay.row = ScheduleRow(
    "exponential_decay", ExponentialDecay, number=1, c="bpfree_sched_exponential_decay"
)
