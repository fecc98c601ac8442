# SPDX-License-Identifier: MIT
"""An inverse problem: the diffusivity of a rod, from temperatures measured along it."""

from __future__ import annotations

import numpy as np

from bpfree.errors import check_count, check_finite, check_seed
from bpfree.pde.conditions import Dirichlet, Initial
from bpfree.pde.domain import Box
from bpfree.pde.observed import Observed
from bpfree.pde.problem import Problem, Unknown
from bpfree.pde.problems.table import ProblemRow, product_of_sines
from bpfree.pde.samplers import interior
from bpfree.registry import host_only

ALPHA = 0.1
"""The coefficient to be found, which the network does not know."""


class InverseHeat(Problem):
    """u_t = alpha u_xx on [0, 1]^2 with unknown alpha, and u measured at points inside, optionally with noise.

    The solution is u = exp(-alpha pi^2 t) sin(pi x) with alpha = 0.1; the search starts at 0.2. The boundary and
    initial conditions are known and hard.

    measurements: number of measurements.
    noise: standard deviation of their errors.
    seed: the seed of their points and errors.

    >>> problem = InverseHeat()
    >>> problem.unknowns, problem.truth
    ({'alpha': 0.2}, {'alpha': 0.1})
    """

    domain = Box(x=(0, 1), t=(0, 1))
    alpha = Unknown(2 * ALPHA)
    truth = {"alpha": ALPHA}

    def __init__(self, measurements: int = 100, noise: float = 0.0, seed: int = 0):
        self.measurements = check_count("measurements", measurements, 1, 2**20)
        self.noise, self.seed = check_finite("noise", noise), check_seed(seed)
        points = interior(self.domain, self.measurements, "uniform", self.seed)
        errors = self.noise * np.random.default_rng([self.seed, 1]).standard_normal(self.measurements)
        self.conditions = (
            Dirichlet("x", 0.0, hard=True),
            Initial(product_of_sines, hard=True),
            Observed(points, self.reference(points)[:, 0] + errors),
        )

    def residual(self, u, c):
        """Return u_t - alpha u_xx, with the current alpha."""
        return u.t - self.alpha * u.xx

    def exact(self, c):
        """Return exp(-alpha pi^2 t) sin(pi x), with the true alpha."""
        return np.exp(-ALPHA * np.pi**2 * c.t) * product_of_sines(c.x)


ROW = ProblemRow(
    9, "inverse_heat", host_only("its residual is a formula in Python"), InverseHeat, "a coefficient from measurements"
)
