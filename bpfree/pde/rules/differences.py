# SPDX-License-Identifier: MIT
"""Central differences: two or four passes per direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpfree.errors import check_choice, check_positive
from bpfree.pde.rules.precision import check_step
from bpfree.pde.rules.table import Rule, RuleRow, Stencil


@dataclass(frozen=True)
class Differences(Rule):
    """Central differences of order 2 or 4, for u, first, second and mixed second derivatives.

    order 2:  u_k  = [u(x + h e_k) - u(x - h e_k)] / (2 h)
              u_kk = [u(x + h e_k) + u(x - h e_k) - 2 u(x)] / h^2
              u_ij = [u(++) - u(+-) - u(-+) + u(--)] / (4 h^2)
    order 4:  (4 D(h) - D(2 h)) / 3 of each

    D coordinates take 2 D + 1 or 4 D + 1 passes; a mixed derivative takes 4 or 8 more. Noise of u is multiplied by
    0.71 / h, 2.4 / h^2 and 0.5 / h^2 at order 2, by 0.95 / h, 3.1 / h^2 and 0.67 / h^2 at order 4, and in a Laplacian
    of D coordinates at order 2 by (4 D^2 + 2 D)^(1/2) / h^2.

    order: 2 or 4.
    step: h, in the units of the coordinates. The default balances rounding, eps / h^m, and truncation, h^order, for
    functions that vary like sin 3x: it is the power of two nearest to eps^(1 / (order + m)), where m = 2 along
    coordinates with second derivatives, else m = 1. In float64 it is 2^-13 and 2^-17 at order 2, and 2^-9 and 2^-10
    at order 4; in float32 2^-6, 2^-8, 2^-4 and 2^-5.

    Near the boundary, shifted points may lie outside the domain, where a network has values too.

    >>> from bpfree.pde import Box
    >>> from bpfree.pde import First, Laplacian
    >>> stencil = Differences().stencil([First(2), Laplacian((0, 1))], Box(x=(0, 1, 2), t=(0, 1)), "f8")
    >>> stencil.passes, stencil.offsets.max(axis=0).tolist() == [2.0**-13, 2.0**-13, 2.0**-17]
    (7, True)
    """

    order: int = 2
    step: float | None = None

    def __post_init__(self):
        check_choice("order", self.order, (2, 4))
        if self.step is not None:
            check_positive("step", self.step)

    @property
    def bias_order(self) -> int:
        """The order of the bias in the step."""
        return self.order

    def along(self, layout, dtype, seed: int = 0, step: int = 0) -> Stencil:
        """Return differences along the directions of the streams, with steps that do not depend on their lengths."""
        streams, weights_of = layout.streams, _Weights(layout.streams.count)
        if self.step is not None:
            check_step("step", self.step, layout, dtype)
        curved = {int(a) for term in streams.terms for a in (*term[0], *term[1])}
        lengths = np.linalg.norm(streams.directions, axis=1)
        h = [self._step(dtype, 2 if a in curved else 1) / length for a, length in enumerate(lengths)]
        weights_of.add(0, (), 1.0)
        for k, share in ((1, 1.0),) if self.order == 2 else ((1, 4 / 3), (2, -1 / 3)):
            for a in range(streams.n_first):
                for sign in (1, -1):
                    weights_of.add(1 + a, ((a, sign * k),), sign * share / (2 * k * h[a]))
            for row, terms in enumerate(streams.terms, 1 + streams.n_first):
                for a, b, c in zip(*terms):
                    _second(weights_of, row, int(a), int(b), k, c * share / (k * k * h[a] * h[b]))
        return weights_of.stencil(layout, np.array(h), self)

    def _step(self, dtype, derivative):
        """Return h where the highest derivative has this order."""
        if self.step is not None:
            return self.step
        return 2.0 ** round(np.log2(float(np.finfo(dtype).eps)) / (self.order + derivative))


def _second(weights_of, row, a, b, k, weight):
    """Add a second difference over k steps; mixed ones use the four corners, which give the least noise."""
    if a == b:
        weights_of.add(row, (), -2 * weight)
        for sign in (1, -1):
            weights_of.add(row, ((a, sign * k),), weight)
        return
    for s, t in ((1, 1), (-1, -1), (1, -1), (-1, 1)):
        weights_of.add(row, tuple(sorted(((a, s * k), (b, t * k)))), s * t * weight / 4)


class _Weights:
    """Weights of the streams by place, ((direction, steps), ...); a place is one pass, however many streams use it."""

    def __init__(self, count):
        self.count, self.places = count, {}

    def add(self, row, place, weight):
        """Add to the weight of a stream at a place."""
        self.places.setdefault(place, np.zeros(self.count))[row] += weight

    def stencil(self, layout, h, rule) -> Stencil:
        """Return the stencil, with places as offsets."""
        offsets = np.zeros((len(self.places), layout.dim))
        for offset, place in zip(offsets, self.places):
            for a, steps in place:
                offset += steps * h[a] * layout.streams.directions[a]
        return Stencil(layout, offsets, np.stack(list(self.places.values()), axis=1), rule)


ROW = RuleRow(1, "differences", "bpfree_rule_differences", Differences, "central differences of order 2 or 4")
