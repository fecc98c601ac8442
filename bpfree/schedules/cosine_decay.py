# SPDX-License-Identifier: MIT
"""Cosine decay: from start to end along half a cosine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.arithmetic.math32 import cos32
from bpfree.errors import check_count
from bpfree.schedules.table import LONGEST, Schedule, ScheduleRow

_PI = np.float32(np.pi)


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """The settings of a cosine decay, made by cosine_decay()."""

    steps: int

    def __post_init__(self):
        super().__post_init__()
        check_count("steps", self.steps, 1, LONGEST)

    @property
    def shape_settings(self) -> tuple[float, ...]:
        """{steps}."""
        return (float(self.steps),)

    def shape(self, step, end):
        """fl(end + fl(fl(1 - end) fl(0.5 fl(1 + cos(fl(pi fl(t / steps)))))))."""
        one, share = np.float32(1), np.float32(min(step, self.steps)) / np.float32(self.steps)
        return end + (one - end) * (np.float32(0.5) * (one + cos32(_PI * share)))


def cosine_decay(start: float, steps: int, end: float = 0.0, warmup: int = 0) -> CosineDecay:
    """Return a schedule that falls from start to end along half a cosine in `steps` steps, and then stays at end.

        value(t) = end + (start - end) (1 + cos(pi t / steps)) / 2

    The values of the first `warmup` steps are multiplied by (t + 1) / warmup.
    Source: Loshchilov and Hutter, "SGDR", ICLR 2017. Differs from the paper in:
    1. it has no warm restarts.

    >>> import bpfree as bf
    >>> [round(float(bf.cosine_decay(0.1, steps=10).value(step)), 4) for step in (0, 5, 10, 99)]
    [0.1, 0.05, 0.0, 0.0]
    """
    return CosineDecay(start, end, warmup, steps)


ROW = CosineDecay.row = ScheduleRow("cosine_decay", CosineDecay, number=0, c="bpfree_sched_cosine_decay")
