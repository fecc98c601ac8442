# SPDX-License-Identifier: MIT
"""How large coefficients may be before an update can overflow: what firmware compares them with, in place of a try.

theta - s is finite for every finite theta where |s| < 2^103, by rounding: so theta's size does not matter, except to
a link that reads it. While coefficients are smaller than a limit, vectors of state stay smaller than what is counted
with here; they start at 0.
"""

from __future__ import annotations

import math

import numpy as np

from bpfree.schedules.table import start_of
from bpfree.updates.sgd import SGD
from bpfree.updates.weight_decay import WeightDecay

_SAFE = 2.0**100
"""Numbers up to this are far from overflow, however they are rounded."""


def coefficient_limit(trainer, theta) -> float:
    """A number that excludes overflow where all coefficients are smaller, a power of two; 0 where none is known.

    theta: what the run begins with.
    """
    links, schedule = trainer.update.links, trainer.schedules["lr_schedule"]
    factor = max(1.0, schedule.ratio) if schedule else 1.0
    decays = [link for link in links if isinstance(link, WeightDecay)]
    if decays and (factor > 1 or not _takes_less_than_theta(links)):
        return 0.0
    sizes = (2.0**k for k in range(100, 0, -1))
    amplification, n = _amplification(trainer), trainer.n_record
    limit = next((size for size in sizes if _largest(links, size, amplification, n) * factor < _SAFE), 0.0)
    if decays and not np.abs(theta).max() < limit:
        return 0.0
    if 0 < trainer.update.clip < limit:
        limit = float(np.finfo(np.float32).max)  # what is cut is never large
    factored = trainer.rows["estimator"].device and trainer.device_record_shape != trainer.record_shape
    return 2.0 ** ((math.frexp(limit)[1] - 2) // 2) if factored and limit else limit  # its products are half as large


def _amplification(trainer) -> float:
    """An element of the gradient is at most so many times the largest coefficient."""
    if trainer.estimator.coefficients_are in ("gradient", "partials", "scaled", "moves"):
        return 1.0
    return trainer.record_shape[1] * max(8.0, math.sqrt(trainer.graph.n_theta))  # |u| < 8, or of length sqrt(d)


def _takes_less_than_theta(links) -> bool:
    """Whether a step's share of theta is at most theta: a decay at the end, or before one SGD, and no other."""
    first = next(k for k, link in enumerate(links) if isinstance(link, WeightDecay))
    rest = links[first + 1 :]
    lr = start_of(rest[0].lr) if rest else 1.0
    return len(rest) <= 1 and all(type(link) is SGD for link in rest) and lr <= 1 and links[first].rate <= 1


def _largest(links, limit: float, amplification: float, n_record: int) -> float:
    """The largest number of a step with coefficients below a limit; infinity where a link does not say."""
    size, largest = limit * amplification, 0.0
    for link in links:
        said = "largest" in vars(type(link))  # a subclass may compute something else than what it inherits this from
        size = link.largest(size, limit, n_record) if said else math.inf
        largest = max(largest, size)
    shares = [link.rate for link in links if isinstance(link, WeightDecay)]
    return max([largest, *(size / share for share in shares)])  # theta stays below what the decay undoes
