# SPDX-License-Identifier: MIT
"""Stein's identities on a sparse grid."""

from __future__ import annotations

from dataclasses import dataclass

from bpfree.errors import check_choice, check_count, check_positive
from bpfree.pde.quadrature import FAMILIES
from bpfree.pde.rules.precision import check_step
from bpfree.pde.rules.smoothing import SEMANTICS, antithetic, extrapolated, stencil_of
from bpfree.pde.rules.table import Rule, RuleRow, Stencil
from bpfree.pde.sparse_grids import count, half_grid

MOST = 1 << 17
"""The most nodes of a grid, whose weights are held for every stream."""


@dataclass(frozen=True)
class SparseGrid(Rule):
    """Derivatives of u_s(x) = E u(x + sigma z), z ~ N(0, I), with a sparse grid for the mean (Heiss, Winschel, 2008).

    u_k  = sum_n w_n xi_nk u(x + sigma xi_n) / sigma
    u_kk = sum_n w_n (xi_nk^2 - 1) u(x + sigma xi_n) / sigma^2
    u_ij = sum_n w_n xi_ni xi_nj u(x + sigma xi_n) / sigma^2

    This is the rule of PINNs trained without back-propagation (Zhao et al., 2023). Differs from the code of the paper
    in: 1. each pair +- xi is evaluated once, which takes 925 passes at D = 21 instead of 1,851.

    Level 3 takes 2 D^2 + 2 D + 1 passes with Gauss-Hermite nodes, and 2 D^2 + 1 with Genz-Keister nodes. The weights
    are differences of large numbers: noise of u is multiplied by 4265 / sigma^2 in a Laplacian of 20 coordinates at
    D = 21 (Genz-Keister 362, central differences of the same reach 13.5). The rule is for comparisons, and for a u that
    should be smoothed; otherwise Differences or Taylor are better in every way.

    level: at least 3 for second derivatives, at least 2 for first ones.
    sigma: the width of the smoothing in the units of the coordinates, equal for all of them. The bias is O(sigma^2).
    family: "gauss_hermite" or "genz_keister".
    richardson: whether to take (4 E(sigma / 2) - E(sigma)) / 3, with twice the passes and a bias O(sigma^4).
    of: "u", whose derivatives are estimated and whose value is u(x); or "smoothed": u_s is the solution, and its
    value costs a grid.

    >>> from bpfree.pde import Box
    >>> from bpfree.pde import First, Laplacian
    >>> wanted = [First(20), Laplacian(tuple(range(20)))]
    >>> stencil = SparseGrid(level=3, sigma=0.1).stencil(wanted, Box(x=(0, 1, 20), t=(0, 1)), "f8")
    >>> stencil.passes, round(stencil.noise_gain(wanted[1]) * 0.1**2)
    (925, 4265)
    """

    level: int = 3
    sigma: float = 0.1
    family: str = "gauss_hermite"
    richardson: bool = False
    of: str = "u"

    def __post_init__(self):
        check_count("level", self.level)
        check_positive("sigma", self.sigma)
        check_choice("family", self.family, FAMILIES)
        check_choice("richardson", self.richardson, (False, True))
        check_choice("of", self.of, SEMANTICS)

    @property
    def bias_order(self) -> int:
        """The order of the bias in sigma."""
        return 4 if self.richardson else 2

    def along(self, layout, dtype, seed: int = 0, step: int = 0) -> Stencil:
        """Return the grid, with weights for every stream."""
        self._check(layout, dtype)
        z, w = half_grid(self.family, layout.dim, self.level)

        def at(sigma):
            return antithetic(layout, z[1:], w[1:], w[0], sigma, self.of)

        grid = extrapolated(at(self.sigma), at(self.sigma / 2)) if self.richardson else at(self.sigma)
        return stencil_of(layout, *grid, self)

    def _check(self, layout, dtype):
        streams = layout.streams
        least, what = (3, "second") if streams.terms else (2, "first")
        if streams.count > 1:
            if self.level < least:
                expected = f"at least {least} for {what} derivatives, which lower levels get wrong for every sigma"
                raise ValueError(f"level: expected {expected}, got {self.level}")
            check_step("sigma", self.sigma / (1 + self.richardson), layout, dtype)
        size = count(self.family, layout.dim, self.level)
        if size > MOST:
            raise ValueError(
                f"level: expected at most {MOST:,} passes per point, got {size:,} of level {self.level} in "
                f"{layout.dim} dimensions; use Taylor() or RandomDirections()"
            )


ROW = RuleRow(3, "sparse_grid", "bpfree_rule_sparse_grid", SparseGrid, "Stein's identities on a sparse grid")
