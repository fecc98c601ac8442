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
from bpfree.updates.adam import Adam
from bpfree.updates.momentum import Momentum
from bpfree.updates.normalize import Normalize
from bpfree.updates.sgd import SGD
from bpfree.updates.sign_sgd import SignSGD
from bpfree.updates.stale import Stale
from bpfree.updates.weight_decay import WeightDecay
from bpfree.updates.window_momentum import WindowMomentum

_SAFE = 2.0**100
"""Numbers up to this are far from overflow, however they are rounded."""


def calm_limit(trainer, theta) -> float:
    """A number that excludes overflow where all coefficients are smaller, a power of two; 0 where none is known.

    theta: what the run begins with.
    """
    links = trainer.update.links
    decays = [k for k, link in enumerate(links) if isinstance(link, WeightDecay)]
    if any(type(link) not in _LARGEST for link in links) or len(decays) > 1:
        return 0.0
    if decays and not (decays[0] == len(links) - 1 or _then_only_a_rate(links, decays[0])):
        return 0.0
    most = trainer.schedules["lr_schedule"]
    factor = max(1.0, most.ratio) if most else 1.0
    if decays and factor > 1:
        return 0.0
    sizes = (2.0**k for k in range(100, 0, -1))
    amplification, n = _amplification(trainer), trainer.n_record
    limit = next((size for size in sizes if _holds(links, size, amplification, n, factor)), 0.0)
    if decays and not np.abs(theta).max() < limit:
        return 0.0
    return float(np.finfo(np.float32).max) if 0 < trainer.update.clip < limit else limit  # what is cut is never large


def _amplification(trainer) -> float:
    """An element of the gradient is at most so many times the largest coefficient."""
    if trainer.estimator.coefficients_are in ("gradient", "partials", "scaled", "moves"):
        return 1.0
    return trainer.record_shape[1] * max(8.0, math.sqrt(trainer.graph.n_theta))  # |u| < 8, or of length sqrt(d)


def _then_only_a_rate(links, place: int) -> bool:
    """Is what follows the decay one SGD, which takes no more than theta off?"""
    rest, rate = links[place + 1 :], links[place].rate
    return len(rest) == 1 and type(rest[0]) is SGD and start_of(rest[0].lr) <= 1 and rate * start_of(rest[0].lr) <= 1


def _holds(links, limit: float, amplification: float, n_record: int, factor: float) -> bool:
    """Do coefficients below a limit leave all numbers safe?"""
    size = limit * amplification
    for link in links:
        size = max(size, limit) if isinstance(link, WeightDecay) else _LARGEST[type(link)](link, size, limit, n_record)
        if not size * factor < _SAFE:
            return False
    decay = next((link for link in links if isinstance(link, WeightDecay)), None)
    return decay is None or (decay.rate <= 1 and size / decay.rate < _SAFE)  # theta stays below what the decay undoes


def _momentum(link, size, limit, n):
    """v of at most limit + g / (1 - beta), twice for rounding."""
    return 2 * max(1.0, start_of(link.lr)) * (limit + size / (1 - min(link.beta, 1 - 2.0**-24)))


def _adam(link, size, limit, n):
    """The mean of gradients over epsilon; their squares are kept."""
    m, rest = max(size, limit), 1 - min(link.beta1, 1 - 2.0**-24)
    return math.inf if m > 2.0**60 else start_of(link.lr) * 2 * m / (rest * link.epsilon)


_LARGEST = {
    SGD: lambda link, size, limit, n: max(1.0, start_of(link.lr)) * size,
    SignSGD: lambda link, size, limit, n: max(size, start_of(link.lr)),
    Momentum: _momentum,
    Adam: _adam,
    Stale: lambda link, size, limit, n: max(size, limit),
    Normalize: lambda link, size, limit, n: max(size * n, 2.0 * n * math.sqrt(n) / link.floor),
    WindowMomentum: lambda link, size, limit, n: max(1.0, start_of(link.lr)) * link.window * max(size, limit),
    WeightDecay: None,
}
"""What a link makes of a gradient of a size, by its type: the largest number on the way."""
