# SPDX-License-Identifier: MIT
"""Linear decay: from start to end in a straight line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_count
from bpfree.schedules.table import LONGEST, Schedule, ScheduleRow


@dataclass(frozen=True)
class LinearDecay(Schedule):
    """The settings of a linear decay, made by linear_decay()."""

    steps: int

    def __post_init__(self):
        super().__post_init__()
        check_count("steps", self.steps, 1, LONGEST)

    @property
    def shape_settings(self) -> tuple[float, ...]:
        """{steps}."""
        return (float(self.steps),)

    def shape(self, step, end):
        """fl(fl(1 - s) + fl(end s)) with s = fl(t / steps), which is exactly end at the end, however small end is."""
        share = np.float32(min(step, self.steps)) / np.float32(self.steps)
        return (np.float32(1) - share) + end * share


def linear_decay(start: float, steps: int, end: float = 0.0, warmup: int = 0) -> LinearDecay:
    """Return a schedule that falls from start to end in `steps` equal steps, and then stays at end.

        value(t) = start + (end - start) t / steps

    The values of the first `warmup` steps are multiplied by (t + 1) / warmup.

    >>> import bpfree as bf
    >>> [round(float(bf.linear_decay(0.1, steps=4).value(step)), 4) for step in (0, 1, 4, 5)]
    [0.1, 0.075, 0.0, 0.0]
    """
    return LinearDecay(start, end, warmup, steps)


ROW = LinearDecay.row = ScheduleRow("linear_decay", LinearDecay, number=2, c="bpfree_sched_linear_decay")
