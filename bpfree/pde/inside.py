# SPDX-License-Identifier: MIT
"""Where a solution is asked for: among the points of one's own, which may fill only a part of the domain."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from bpfree.pde.domain import Normal

MOST = 10_000
"""The most points of a term at which its residual is measured."""

ASIDE = 0.75
"""Distance of the centre of the nearest points, relative to their own, up to which they surround a point."""


def between(given, domain) -> np.ndarray:
    """Return the middles (n, dim) between given points and their 2 dim nearest neighbours; a single point as it is.

    A grid has as many neighbours. A residual is measured at them: they are inside also of a part of the domain, and on
    a curve, and few are points of the solve. Where all given points are at the two ends of a coordinate, as those of a
    condition are, so are the middles; without any, the points are returned.
    """
    if len(given) == 1:
        return given
    unit = lengths_of(domain)
    neighbours = np.arange(2, min(2 * domain.dim + 1, len(given)) + 1)
    _, nearest = cKDTree(given / unit).query(given / unit, k=neighbours)
    middles = ((given[:, None] + given[nearest]) / 2).reshape(-1, domain.dim)
    ends = _at_an_end(given, domain).all(axis=0)
    middles = middles[_at_an_end(middles, domain)[:, ends].all(axis=1)]
    return middles[:: -(-len(middles) // MOST)] if len(middles) else given


def among(given, points, domain, least: float) -> np.ndarray:
    """Return which points (n, dim) lie among given ones: close to one of them, and surrounded by the nearest.

    Close means no further than the 2 dim nearest neighbours of the given point. Distances are in units of each
    coordinate's length; least: a distance at which points are among them in any case.
    """
    given, points = given / lengths_of(domain), points / lengths_of(domain)
    tree = cKDTree(given)
    reach = tree.query(given, k=[min(2 * domain.dim + 1, len(given))])[0][:, 0]
    distances, nearest = tree.query(points, k=np.arange(1, min(3 * domain.dim, len(given)) + 1))
    aside = np.linalg.norm(given[nearest].mean(axis=1) - points, axis=1)
    surrounded = aside <= ASIDE * np.sqrt((distances**2).mean(axis=1))
    return (distances[:, 0] <= least) | (surrounded & (distances[:, 0] <= reach[nearest[:, 0]]))


def _at_an_end(points, domain) -> np.ndarray:
    """Return which coordinates of points are at one of their ends, (n, dim)."""
    low, high = (
        np.repeat([getattr(one, end, np.nan) for one in domain.coordinates.values()], _widths(domain))
        for end in ("low", "high")
    )
    return (points == low) | (points == high)


def lengths_of(domain) -> np.ndarray:
    """Return the length of each column of points."""
    lengths = [one.scale if isinstance(one, Normal) else one.high - one.low for one in domain.coordinates.values()]
    return np.repeat(lengths, _widths(domain))


def _widths(domain) -> list[int]:
    return [one.dim for one in domain.coordinates.values()]
