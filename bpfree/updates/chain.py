# SPDX-License-Identifier: MIT
"""Updates made of links, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.errors import check_normal
from bpfree.schedules.table import Schedule
from bpfree.updates.table import Update


@dataclass(frozen=True)
class Clip:
    """Cut an estimator's coefficients to [-limit, limit], the first thing in a chain. Make it with clip()."""

    limit: float


@dataclass(frozen=True)
class Chain(Update):
    """Links that follow one another; make it with chain()."""

    parts: tuple
    clip: float = 0.0

    @property
    def links(self) -> tuple:
        """Return the links in the order in which they act."""
        return self.parts

    @property
    def sees_record(self) -> bool:
        """Say whether a link looks at the record of the step."""
        return any(link.sees_record for link in self.parts)

    @property
    def schedule(self) -> Schedule | None:
        """Return the schedule of the one link whose lr is one; None where no lr is."""
        return next((link.schedule for link in self.parts if link.schedule), None)


def clip(limit: float) -> Clip:
    """Cut coefficients, not gradient entries: the direction of a probe is kept, its weight is limited.

    One outlier among the losses then cannot throw theta away. Scale-free of
    the learning rate, since coefficients come before it.

    >>> import bpfree as bf
    >>> bf.chain(bf.clip(0.5), bf.SGD(0.1)).clip
    0.5
    """
    return Clip(check_normal("limit", limit))


def chain(*links) -> Chain:
    """An update from links in order, such as chain(clip(1.0), WeightDecay(1e-4), Adam(5e-3)).

    One link's lr may be a schedule; its factor multiplies the step of the whole chain.

    >>> import numpy as np
    >>> from bpfree import SGD
    >>> chain(SGD(0.5), SGD(0.5)).update(np.ones(1), [], np.zeros(1), step=0)[0].tolist()
    [-0.25]
    """
    limit = links[0].limit if links and isinstance(links[0], Clip) else 0.0
    rest = links[1:] if limit else links
    if any(isinstance(link, Clip) for link in rest):
        raise ValueError("chain: clip cuts coefficients, so it is the first thing in a chain, and once")
    if not rest or not all(isinstance(link, Update) for link in rest):
        raise TypeError(f"chain: expected updates such as SGD(0.1), at least one, got {rest!r}")
    if any(link.clip for link in rest):
        raise ValueError("chain: clip of an inner chain would come too late; give it to the outer one")
    flat = tuple(inner for link in rest for inner in link.links)
    for link in flat[1:]:
        if link.comes_first:
            what = f"{type(link).__name__} takes the place of the estimator's gradient"
            raise ValueError(f"chain: {what}, so it is the first link, and once")
    if sum(link.schedule is not None for link in rest) > 1:
        raise ValueError("chain: a schedule multiplies the whole step, so one link may have one")
    return Chain(flat, limit)
