# SPDX-License-Identifier: MIT
"""Where the learning rate of an update is, and how it is set."""

from __future__ import annotations

from dataclasses import fields, replace
from math import prod

import numpy as np

from bpfree.schedules.table import Schedule


def rate_place(update):
    """Return the last link of an update that has a learning rate."""
    links = [link for link in update.links if any(field.name == "lr" for field in fields(link))]
    if not links:
        raise ValueError(f"update: expected one with a learning rate, such as SGD(), got {update!r}")
    return links[-1]


def with_lr(update, lr):
    """Return an update with this lr, a number or a schedule, in its last link that has one."""
    return put(update, replace(rate_place(update), lr=lr))


def put(update, link):
    """Return an update with `link` instead of its last link that has an lr."""
    if update.links == (update,):
        return link
    parts, place = list(update.links), rate_place(update)
    parts[max(k for k, part in enumerate(parts) if part is place)] = link
    return replace(update, parts=tuple(parts))


def restarted(old, start: float):
    """Return `start`, or, where the old value is a schedule, that schedule from `start` to an end in the same ratio."""
    return replace(old, start=start, end=start * old.ratio) if isinstance(old, Schedule) else start


def floor(lr: float) -> float:
    """Return the largest power of two that is not above lr."""
    return float(2.0 ** np.floor(np.log2(lr)))


def steps_added(update) -> float:
    """Return the number of steps of a constant gradient that a velocity adds up."""
    return prod(1 / (1 - link.beta) for link in update.links if hasattr(link, "beta"))
