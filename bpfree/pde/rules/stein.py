# SPDX-License-Identifier: MIT
"""Stein's identities with random shifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree import rng
from bpfree.directions.gaussian import normal
from bpfree.errors import check_count, check_positive
from bpfree.pde.rules.precision import check_step
from bpfree.pde.rules.smoothing import antithetic, stencil_of
from bpfree.pde.rules.table import Rule, RuleRow, Stencil
from bpfree.registry import host_only


@dataclass(frozen=True)
class Stein(Rule):
    """Derivatives of u_s(x) = E u(x + sigma z), z ~ N(0, I), by n random antithetic pairs, in 2 n + 1 passes.

    u_k  = 1/n sum_m z_mk [u(x + sigma z_m) - u(x - sigma z_m)] / (2 sigma)
    u_kk = 1/n sum_m (z_mk^2 - 1) [u(x + sigma z_m) + u(x - sigma z_m) - 2 u(x)] / (2 sigma^2)
    u_ij = 1/n sum_m z_mi z_mj [u(x + sigma z_m) + u(x - sigma z_m) - 2 u(x)] / (2 sigma^2)

    The value is u(x). The bias is O(sigma^2). Even for a quadratic u the estimates have a standard deviation, which in
    many dimensions is about |grad u| / sqrt(n) for first derivatives, |Lap u| / sqrt(2 n) for second ones,
    |Lap u| / sqrt(4 n) for mixed ones, and sqrt(D / (2 n)) |Lap u| for a Laplacian of D coordinates. Other rules need
    fewer passes, but this one allows any number. Noise of u is multiplied by about 1 / (sigma sqrt(2 n)) and
    sqrt(3 / n) / sigma^2, and by sqrt(3 D / n) / sigma^2 in a Laplacian.

    n: number of pairs.
    sigma: the width of the smoothing, in the units of the coordinates.

    All points of a step share the shifts, which are random numbers from (seed, step) in float32, with the same bits
    on every machine.

    >>> from bpfree.pde import Box
    >>> from bpfree.pde import First
    >>> Stein(n=8).stencil([First(0)], Box(x=(0, 1)), "f8", seed=1).passes
    17
    """

    n: int = 256
    sigma: float = 0.1

    bias_order = 2
    random = True

    def __post_init__(self):
        check_count("n", self.n)
        check_positive("sigma", self.sigma)

    def along(self, layout, dtype, seed: int = 0, step: int = 0) -> Stencil:
        """Return normal shifts with weights 1 / (2 n)."""
        if layout.streams.count > 1:
            check_step("sigma", self.sigma, layout, dtype)
        z = normal(seed, step, rng.address(rng.Domain.SPACE), 0, self.n * layout.dim).reshape(self.n, layout.dim)
        w = np.full(self.n, 0.5 / self.n)
        return stencil_of(layout, *antithetic(layout, z.astype(np.float64), w, 0.0, self.sigma, "u"), self)


ROW = RuleRow(
    2, "stein", host_only("a device has no room for random shifts"), Stein, "Stein's identities with random shifts"
)
