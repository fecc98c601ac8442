# SPDX-License-Identifier: MIT
"""Where collocation points lie: pure functions of a seed."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, qmc

from bpfree.errors import check_choice
from bpfree.pde.domain import Normal

SAMPLERS = ("sobol", "latin_hypercube", "uniform")
"""How points are spread over the unit cube before they are mapped to the coordinates."""


def unit(n: int, dim: int, sampler: str, seed: int):
    """n points in [0, 1)^dim."""
    check_choice("sampler", sampler, SAMPLERS)
    random = np.random.default_rng(seed)
    if sampler == "uniform":
        return random.random((n, dim))
    if sampler == "latin_hypercube":
        return qmc.LatinHypercube(dim, rng=random).random(n)
    points = qmc.Sobol(dim, rng=random).random_base2(int(np.ceil(np.log2(max(n, 1)))))
    return points[:n]


def interior(domain, n: int, sampler: str = "sobol", seed: int = 0):
    """n points (n, dim) inside a domain: uniform in cubes, normal where a coordinate is.

    >>> from bpfree.pde.domain import Box
    >>> interior(Box(x=(0, 2), t=(0, 1)), 4).shape
    (4, 2)
    """
    points = unit(n, domain.dim, sampler, seed)
    for name, one in domain.coordinates.items():
        columns = list(domain.columns(name))
        if isinstance(one, Normal):
            inside = np.clip(points[:, columns], 2.0**-53, 1 - 2.0**-53)
            points[:, columns] = one.scale * norm.ppf(inside)
        else:
            points[:, columns] = one.low + (one.high - one.low) * points[:, columns]
    return points
