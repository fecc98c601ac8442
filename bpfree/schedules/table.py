# SPDX-License-Identifier: MIT
"""The contract of schedules: numbers that change with the step, by float32 rules that C shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_count, check_finite, check_normal
from bpfree.registry import Carrier, SettingsRow, undefined

LONGEST = 2**24
"""The most steps that a setting may count: float32 represents every integer up to here."""


class ScheduleRow(SettingsRow):
    """One row of the table of schedules, or one of a user's own."""


@dataclass(frozen=True)
class Schedule(Carrier, rows=ScheduleRow):
    """A learning rate or a mu that goes from start to end over the steps: value(step) = fl(start factor(step)).

    It is given instead of a number, as in SGD(lr=cosine_decay(0.1, steps=1000)).
    The values of the first `warmup` steps are multiplied by (step + 1) / warmup.

    One of your own is a frozen dataclass with the fields that it needs besides,
    and defines `shape`. It runs in Python.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Halves(Schedule, name="halves"):
    ...     every: int = 10
    ...     def shape(self, step, end):
    ...         return np.float32(max(0.5 ** (step // self.every), end))
    >>> [round(float(Halves(start=1.0, end=0.1, warmup=0).value(step)), 3) for step in (0, 10, 29, 99)]
    [1.0, 0.5, 0.25, 0.1]
    """

    start: float
    end: float
    warmup: int

    def __post_init__(self):
        check_normal("start", self.start)
        if check_finite("end", self.end) != 0:
            check_normal("end", self.end)
            check_normal("end / start", self.ratio)
        check_count("warmup", self.warmup, 0, LONGEST)

    @property
    def ratio(self) -> float:
        """end / start in float64, even for NumPy's floats, because a journal restores them as Python's floats."""
        return float(self.end) / float(self.start)

    @property
    def least(self) -> float:
        """A lower bound of the value, apart from the warmup."""
        return min(self.start, self.end)

    @property
    def settings(self) -> tuple[float, ...]:
        """The floats that C reads: {warmup, end / start, those of the shape...}."""
        return (float(self.warmup), self.ratio, *self.shape_settings)

    @property
    def shape_settings(self) -> tuple[float, ...]:
        """The floats of `shape` that C reads; none for a schedule that it does not have."""
        return ()

    def shape(self, step: int, end: np.float32) -> np.float32:
        """The row's own factor, from 1 to end."""
        raise undefined("schedule", self, "shape(step, end)")

    def factor(self, step: int) -> np.float32:
        """fl(shape(step) fl((step + 1) / warmup)) in the first `warmup` steps, then shape(step)."""
        shape = self._shape(step)
        return shape * (np.float32(step + 1) / np.float32(self.warmup)) if step < self.warmup else shape

    def _shape(self, step: int) -> np.float32:
        """`shape` as a float32; raises where it is no finite number, which float32 would make NaN of."""
        given = self.shape(step, np.float32(self.ratio))
        expected = f"shape of {self.row.name!r} to give a finite number in step {step}"
        try:
            return np.float32(check_finite("shape", given))
        except (TypeError, ValueError):
            raise ValueError(f"schedule: expected {expected}, got {given!r}") from None

    def value(self, step: int) -> np.float32:
        """Return the value at a step, float32."""
        return np.float32(self.start) * self.factor(step)


def start_of(rate) -> float:
    """Return a number itself, or the number that a schedule starts from."""
    return rate.start if isinstance(rate, Schedule) else rate


def value_at(rate, step: int) -> np.float32:
    """The number at a step, a float32 in every engine; a plain one is the same at all."""
    return rate.value(step) if isinstance(rate, Schedule) else np.float32(rate)


def check_rate(name: str, rate) -> None:
    """Raise unless rate is a normal float32 number > 0, or a schedule, which has checked its own numbers."""
    if not isinstance(rate, Schedule):
        check_normal(name, rate)


def check_radius(name: str, mu) -> None:
    """Raise unless mu is a normal float32 number > 0, or a schedule whose values always are."""
    if not isinstance(mu, Schedule):
        check_normal(name, mu)
    elif not mu.least / max(1, mu.warmup) >= 2.0**-125:
        raise ValueError(f"{name}: expected a schedule that stays above 0, got {mu!r}: give it end=")
