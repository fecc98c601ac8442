# SPDX-License-Identifier: MIT
"""The contract of derivative rules: a stencil of passes, its bias and noise gain, and a row of the table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.pde.wanted import Layout
from bpfree.registry import HostOnly, undefined


@dataclass(frozen=True)
class Stencil:
    """How a rule computes derivatives: weighted passes at shifted points, or streams through the network.

    layout: the streams, and how derivatives are read from them.
    offsets: (M, dim), the shifts. Stream s is sum_m weights[s, m] u(x + offsets[m]), and stream 0 the value. None: u
    and its streams go through the network together, exact to rounding (Taylor).
    weights: (count, M), or None likewise.
    rule: the rule of the stencil, for messages.

    >>> from bpfree.pde import Box, Differences, Laplacian
    >>> stencil = Differences().stencil([Laplacian((0, 1))], Box(x=(0, 1), y=(0, 1)), "float64")
    >>> stencil.passes, stencil.offsets.shape
    (5, (5, 2))
    """

    layout: Layout
    offsets: np.ndarray | None = None
    weights: np.ndarray | None = None
    rule: Rule | None = None

    @property
    def passes(self) -> int:
        """Number of forward passes per point, where streams count as passes."""
        return self.layout.streams.count if self.offsets is None else len(self.offsets)

    def noise_gain(self, quantity) -> float:
        """Return the deviation of a linear quantity if the values u(x + offset) have independent errors of deviation 1.

        It is sqrt(sum_m w_m^2), where w are the weights of the quantity by pass; 1 for streams, which only round.
        """
        if self.offsets is None:
            return 1.0
        return float(np.linalg.norm(self.layout.matrix(quantity) @ self.weights))


class Rule:
    """A rule for derivatives of u at points from forward passes.

    Subclasses are frozen dataclasses of their settings, and define `along` or their own `stencil`. One of your own is
    given as `rule=`, and needs no row of the table.

    >>> import bpfree as bf
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Central(Rule):
    ...     h: float = 2.0**-9
    ...     def along(self, layout, dtype, seed=0, step=0):
    ...         offsets = self.h * np.array([[0.0], [1.0], [-1.0]])
    ...         h = self.h
    ...         weights = np.array([[1, 0, 0], [0, 0.5 / h, -0.5 / h], [-2 / h**2, 1 / h**2, 1 / h**2]])
    ...         return Stencil(layout, offsets, weights[: layout.streams.count], self)
    >>> class Decay(bf.pde.Problem):
    ...     domain, conditions = bf.pde.Box(t=(0, 1)), [bf.pde.Initial(1.0)]
    ...     def residual(self, u, c):
    ...         return u.t + u
    >>> solution = bf.pde.solve(Decay(), rule=Central(), points=20, max_steps=20)
    >>> bool(abs(solution.predict([[1.0]])[0, 0] - np.exp(-1)) < 1e-3)
    True
    """

    bias_order: int | None = None
    """The order p of the error O(h^p) of the derivatives in the rule's step h; None: exact to rounding."""

    random = False
    """Whether a stencil depends on seed and step."""

    def stencil(self, wanted, domain, dtype, seed: int = 0, step: int = 0) -> Stencil:
        """Return the stencil for quantities at points of a domain, in a precision.

        All points and all probes of a step share it (common random numbers).
        """
        return self.along(Layout(wanted, domain.dim), np.dtype(dtype), seed, step)

    def along(self, layout: Layout, dtype, seed: int = 0, step: int = 0) -> Stencil:
        """Return the stencil for the streams of a layout."""
        raise undefined("rule", self, "along(layout, dtype, seed, step)")


@dataclass(frozen=True)
class RuleRow:
    """One row of the table: settings class, C symbol, and a short description."""

    number: int
    name: str
    c: str | HostOnly
    settings: type
    what: str
