# SPDX-License-Identifier: MIT
"""Central differences of order 4 by Richardson's extrapolation of two stencils of order 2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_positive
from bpfree.pde.rules.differences import Differences
from bpfree.pde.rules.table import Rule, RuleRow, Stencil
from bpfree.registry import host_only


@dataclass(frozen=True)
class Extrapolated(Rule):
    """(4 D(h) - D(2 h)) / 3, with D the central differences of order 2; the value is u(x).

    step: h, in the units of the coordinates.

    >>> from bpfree.pde import Box, First
    >>> Extrapolated().stencil([First(0)], Box(x=(0, 1)), "f8").passes
    5
    """

    step: float = 2.0**-7

    bias_order = 4

    def __post_init__(self):
        check_positive("step", self.step)

    def along(self, layout, dtype, seed: int = 0, step: int = 0) -> Stencil:
        """Return the passes of both stencils, with the centre once."""
        near, far = (Differences(step=h).along(layout, dtype) for h in (self.step, 2 * self.step))
        weights = np.concatenate([4 / 3 * near.weights, -1 / 3 * far.weights], axis=1)
        offsets, place = np.unique(np.concatenate([near.offsets, far.offsets]), axis=0, return_inverse=True)
        summed = np.zeros((len(weights), len(offsets)))
        np.add.at(summed.T, place.ravel(), weights.T)
        return Stencil(layout, offsets, summed, self)


ROW = RuleRow(
    5, "extrapolated", host_only("Differences(order=4) is the same in C"), Extrapolated, "two differences of order 2"
)
