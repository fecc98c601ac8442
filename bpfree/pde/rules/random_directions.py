# SPDX-License-Identifier: MIT
"""Random directions: Laplacians of many coordinates from a few directional derivatives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bpfree import rng
from bpfree.errors import check_count
from bpfree.pde.rules.differences import Differences
from bpfree.pde.rules.table import Rule, RuleRow, Stencil
from bpfree.pde.rules.taylor import Taylor
from bpfree.pde.wanted import GradSquare, Laplacian, Layout
from bpfree.registry import host_only


@dataclass(frozen=True)
class RandomDirections(Rule):
    """Laplacians and sums of squares of first derivatives as means over n random directions (Hutchinson, 1990).

    Lap u      = E v^T H v         approximately 1/n sum_m v_m^T H v_m
    |grad u|^2 = E (v . grad u)^2  approximately 1/n sum_m (v_m . grad u)^2,   v of random signs

    The cost is n + 2 streams per pass by Taylor, or 2 n + 1 passes by differences, for any number of coordinates. The
    means are unbiased apart from the bias of the inner rule. The standard deviation of the Laplacian is
    (2 / n sum_(i != j) H_ij^2)^(1/2), which is 0 for a diagonal Hessian; that of |grad u|^2 is up to
    (2 / n)^(1/2) |grad u|^2. Where the mean is squared, as in a loss, its variance adds to the loss, and only a larger
    n lowers it, not more steps.

    n: number of directions for each set of more than n coordinates. Smaller sets and single derivatives are computed
    by coordinate.
    rule: Taylor() or Differences(), which is applied along the directions.

    All points of a step share the directions, which are signs from (seed, step).

    >>> from bpfree.pde import Box
    >>> from bpfree.pde import First, Laplacian
    >>> wanted = [First(1000), Laplacian(tuple(range(1000)))]
    >>> RandomDirections(n=16).stencil(wanted, Box(x=(0, 1, 1000), t=(0, 1)), "f8").passes
    19
    """

    n: int = 16
    rule: Rule = field(default_factory=Taylor)

    random = True

    def __post_init__(self):
        check_count("n", self.n)
        if not isinstance(self.rule, Taylor | Differences):
            raise TypeError(f"rule: expected Taylor() or Differences(), got {self.rule!r}")

    @property
    def bias_order(self) -> int | None:
        """The order of the bias of the inner rule; None: it is exact."""
        return self.rule.bias_order

    def stencil(self, wanted, domain, dtype, seed: int = 0, step: int = 0) -> Stencil:
        """Return the stencil of the inner rule, along directions that are drawn for each set of coordinates."""
        sets = dict.fromkeys(q.columns for q in wanted if isinstance(q, Laplacian | GradSquare))
        drawn = {
            columns: self._directions(columns, domain.dim, seed, step, number)
            for number, columns in enumerate(sets)
            if len(columns) > self.n
        }
        return self.rule.along(Layout(wanted, domain.dim, drawn), np.dtype(dtype))

    def _directions(self, columns, dim, seed, step, number):
        """Return directions (n, dim) with signs in these columns and 0 elsewhere."""
        directions = np.zeros((self.n, dim))
        address = rng.address(rng.Domain.SPACE, query=number)
        directions[:, columns] = rng.signs(seed, step, address, 0, self.n * len(columns)).reshape(self.n, -1)
        return directions


ROW = RuleRow(
    4, "random_directions", host_only("a device has no room for many dimensions"), RandomDirections,
    "a few random directions for many coordinates",
)
