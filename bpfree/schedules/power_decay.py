# SPDX-License-Identifier: MIT
"""Power decay: a power of the number of steps, and Spall's gains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.arithmetic.math32 import exp32, log32
from bpfree.errors import check_count, check_finite, check_normal
from bpfree.schedules.table import LONGEST, Schedule, ScheduleRow


@dataclass(frozen=True)
class PowerDecay(Schedule):
    """The settings of a power decay, made by power_decay() and spall_gains()."""

    power: float
    stability: int

    def __post_init__(self):
        super().__post_init__()
        if check_normal("power", self.power) > 1:
            raise ValueError(f"power: expected a number in (0, 1], got {self.power!r}")
        if self.end > self.start:
            raise ValueError(f"end: expected at most start={self.start!r}, got {self.end!r}")
        check_count("stability", self.stability, 0, LONGEST)

    @property
    def least(self) -> float:
        """About the value at the last step, as a step's number has 32 bits; never 0."""
        return max(self.end, self.start * 2.0 ** (-32 * self.power))

    @property
    def shape_settings(self) -> tuple[float, ...]:
        """{power, stability}."""
        return (self.power, float(self.stability))

    def shape(self, step, end):
        """max(fl(exp(fl(-power fl(log(fl(1 + fl(t / fl(stability + 1)))))))), end)."""
        one = np.float32(1)
        steps = one + np.float32(step) / (np.float32(self.stability) + one)
        return max(np.float32(exp32(-np.float32(self.power) * log32(steps))), end)


def power_decay(
    start: float, power: float = 0.602, stability: int = 0, end: float = 0.0, warmup: int = 0
) -> PowerDecay:
    """Return a schedule that falls as a power of the number of steps, but not below end.

        value(t) = max(start ((stability + 1) / (stability + 1 + t))^power, end)

    The value is float32, within a relative 1e-6 of this. It falls as long as the
    run lasts, so that the length of the run need not be known. It stays near
    start for about `stability` steps. The values of the first `warmup` steps are
    multiplied by (t + 1) / warmup. power: the exponent, in (0, 1].

    >>> import bpfree as bf
    >>> [round(float(bf.power_decay(0.1, 0.5).value(step)), 4) for step in (0, 3, 99)]
    [0.1, 0.05, 0.01]
    """
    return PowerDecay(start, end, warmup, power, stability)


def spall_gains(
    a: float, c: float, stability: int = 0, alpha: float = 0.602, gamma: float = 0.101
) -> tuple[PowerDecay, PowerDecay]:
    """Return the learning rate and the mu of SPSA as two power_decay schedules.

        lr(t) = a / (stability + 1 + t)^alpha,   mu(t) = c / (1 + t)^gamma

    The default alpha and gamma are the smallest for which the theory holds, as
    Spall recommends. He also recommends a stability of a tenth of the steps or
    less, and c near the standard deviation of the loss's noise. Sources: J. C.
    Spall, "Multivariate stochastic approximation using a simultaneous
    perturbation gradient approximation", 1992; "Implementation of the
    simultaneous perturbation algorithm for stochastic optimization", 1998.

    >>> import bpfree as bf
    >>> lr, mu = bf.spall_gains(a=0.5, c=0.1, stability=20)
    >>> update, estimator = bf.SGD(lr), bf.RGE(mu=mu)
    >>> round(float(lr.value(9)), 6) == round(0.5 / 30**0.602, 6)
    True
    """
    check_normal("a", a)
    check_normal("c", c)
    check_count("stability", stability, 0, LONGEST)
    for name, value in (("alpha", alpha), ("gamma", gamma)):
        if not 0 < check_finite(name, value) <= 1:
            raise ValueError(f"{name}: expected a number in (0, 1], got {value!r}")
    return power_decay(float(a) / (stability + 1) ** float(alpha), alpha, stability), power_decay(c, gamma)


ROW = PowerDecay.row = ScheduleRow("power_decay", PowerDecay, number=3, c="bpfree_sched_power_decay")
