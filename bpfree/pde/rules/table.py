# SPDX-License-Identifier: MIT
"""What a derivative rule is: a stencil of passes, what it promises about their error, and its row of the table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.pde.wanted import Layout
from bpfree.registry import HostOnly


@dataclass(frozen=True)
class Stencil:
    """How one rule gets these derivatives: passes at shifted points and their weights, or streams that travel along.

    layout: the streams, and how to read the derivatives off.
    offsets (M, dim), weights (count, M): stream s is sum_m weights[s, m] u(x + offsets[m]); the value is stream 0.
    None: u and its streams go through the network together, exact to rounding (Taylor).
    rule: what it is a stencil of, for messages.
    """

    layout: Layout
    offsets: np.ndarray | None = None
    weights: np.ndarray | None = None
    rule: Rule | None = None

    @property
    def passes(self) -> int:
        """Forward passes of one point; streams count as passes."""
        return self.layout.streams.count if self.offsets is None else len(self.offsets)

    def noise_gain(self, quantity) -> float:
        """Deviation of a linear quantity where every u(x + offset) has independent errors of deviation 1.

        sqrt(sum_m w_m^2), w the quantity's weights by pass; 1 for streams, whose errors are those of rounding.
        """
        if self.offsets is None:
            return 1.0
        return float(np.linalg.norm(self.layout.matrix(quantity) @ self.weights))


class Rule:
    """Derivatives of u at points from forward passes. Subclasses are frozen dataclasses of their settings.

    They have `along`, or a `stencil` of their own.
    """

    bias_order: int | None = None
    """p of an error O(h^p) of the derivatives in the rule's step; None: exact to rounding."""

    random = False
    """Does a stencil depend on seed and step?"""

    def stencil(self, wanted, domain, dtype, seed: int = 0, step: int = 0) -> Stencil:
        """The passes for these quantities of points in this domain, in this precision.

        All points share it, and so do all probes of a step: common random numbers.
        """
        return self.along(Layout(wanted, domain.dim), np.dtype(dtype), seed, step)

    def along(self, layout: Layout, dtype, seed: int = 0, step: int = 0) -> Stencil:
        """The passes for these streams."""
        raise NotImplementedError


@dataclass(frozen=True)
class RuleRow:
    """One row of the table: settings class, C symbol, and what it is in half a sentence."""

    number: int
    name: str
    c: str | HostOnly
    settings: type
    what: str
