# SPDX-License-Identifier: MIT
"""Samplers of collocation points, which are pure functions of a seed: another seed gives other points."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from bpfree.errors import check_choice, check_count, check_seed
from bpfree.pde.domain import Normal

SAMPLERS = ("sobol", "latin_hypercube", "uniform")
"""Names of the distributions of points over the unit cube, from which they are mapped to the coordinates."""

_CELL = 2.0**-30
"""The number of which scrambled Sobol numbers are multiples."""


def unit(n: int, dim: int, sampler: str, seed: int):
    """Return n points (n, dim) in (0, 1)^dim; "sobol" and "latin_hypercube" are more even than "uniform".

    "sobol" gives the first n points of a scrambled sequence, in up to 21,201 dimensions. The points are those of
    scipy.stats.qmc and of NumPy's default generator.
    """
    check_choice("sampler", sampler, SAMPLERS)
    random = np.random.default_rng(check_seed(seed))
    if sampler == "uniform":
        return random.random((check_count("n", n), dim))
    from scipy.stats import qmc  # loading takes a second, which is saved where no points are drawn

    if sampler == "latin_hypercube":
        return qmc.LatinHypercube(dim, rng=random).random(check_count("n", n))
    check_count("n", n, 1, 2**30)
    check_count("dimensions of sobol", dim, 1, qmc.Sobol.MAXDIM)
    points = qmc.Sobol(dim, rng=random).random_base2((n - 1).bit_length())
    return points[:n] + _CELL / 2  # the middle of a cell, never 0, for which a normal coordinate would be infinite


def interior(domain, n: int, sampler: str = "sobol", seed: int = 0):
    """Return n points (n, dim) inside a domain: uniform in intervals and cubes, normal for a Normal coordinate.

    >>> from bpfree.pde import Box
    >>> interior(Box(x=(0, 2), t=(0, 1)), 4).shape
    (4, 2)
    """
    points = unit(n, domain.dim, sampler, seed)
    for name, one in domain.coordinates.items():
        columns = list(domain.columns(name))
        if isinstance(one, Normal):
            inside = np.clip(points[:, columns], 2.0**-53, 1 - 2.0**-53)
            points[:, columns] = one.scale * ndtri(inside)
        else:
            points[:, columns] = one.low + (one.high - one.low) * points[:, columns]
    return points


def faces(domain, name: str, sides: tuple[str, ...], n: int, sampler: str = "sobol", seed: int = 0):
    """Return n points (n, dim) on the faces where one dimension of a coordinate is at its "low" or "high" end.

    All faces get the same number of points, up to one, in blocks.

    >>> from bpfree.pde import Box
    >>> faces(Box(x=(0, 2), t=(0, 1)), "x", ("low", "high"), 4)[:, 0].tolist()
    [0.0, 0.0, 2.0, 2.0]
    """
    points, one = interior(domain, n, sampler, seed), domain.coordinates[name]
    ends = [(column, getattr(one, side)) for column in domain.columns(name) for side in sides]
    for k, (column, end) in enumerate(ends):
        block = slice(-(-k * n // len(ends)), -(-(k + 1) * n // len(ends)))
        points[block, column] = end
    return points
