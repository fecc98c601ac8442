# SPDX-License-Identifier: MIT
"""What travels through a network beside a value: derivatives along directions, and sums of second derivatives.

A value u(x) with its streams is a *jet*. Jets go forward only: a linear map
applies to each stream, an elementwise function phi by the chain rule,

    d_a phi(u)  = phi'(u) d_a u
    form phi(u) = phi'(u) form u + phi''(u) sum c d_a u d_b u,  form = sum c d_a d_b

so a Laplacian costs one stream, not one for each coordinate (forward Laplacian:
Li et al., Nature Machine Intelligence 2024).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np


class Streams:
    """Which streams there are: first derivatives along G directions, then H forms in them.

    directions (G, D): one row for each first derivative, d_a u = sum_i directions[a, i] du/dx_i.
    forms: for each second stream its terms (a, b, c), of sum c d_a d_b u.

    >>> plane = Streams(np.eye(2), [[(0, 0, 1.0), (1, 1, 1.0)]])  # d/dx, d/dy, Laplacian
    >>> plane.count, plane.terms[0][2].tolist()
    (4, [1.0, 1.0])
    """

    def __init__(self, directions, forms=()):
        self.directions = np.asarray(directions, float)
        self.terms = [
            tuple(np.array(part, kind) for part, kind in zip(zip(*form), (int, int, float), strict=True))
            for form in forms
        ]

    @property
    def n_first(self) -> int:
        """First derivatives, G."""
        return len(self.directions)

    @property
    def count(self) -> int:
        """All streams, the value among them: 1 + G + H."""
        return 1 + self.n_first + len(self.terms)

    @cached_property
    def _runs(self):
        """Terms as (slice, slice, weights or 1) where they lie in a row, which is faster than picking them."""
        return [(_run(a), _run(b), 1.0 if (c == 1.0).all() else c) for a, b, c in self.terms]

    def squares(self, arithmetic, rest, other=None):
        """sum c d_a u d_b v of each form, (..., H, n), from streams (..., G + H, n) of u and of v, default u."""
        other = rest if other is None else other
        found = []
        for a, b, c in self._runs:
            one = rest[..., a, :] if np.ndim(c) == 0 else c.astype(rest.dtype)[:, None] * rest[..., a, :]
            found.append(arithmetic.dots(one, other[..., b, :]))
        return np.stack(found, axis=-2) if found else rest[..., :0, :]

    def chain(self, arithmetic, rest, slope, curvature=None):
        """The streams (..., G + H, n) of phi(u) from those of u, phi'(u) and phi''(u) (..., n); None: phi'' = 0."""
        result = slope[..., None, :] * rest
        if curvature is not None and self.terms:
            result[..., self.n_first :, :] += curvature[..., None, :] * self.squares(arithmetic, rest)
        return result


def _run(indices):
    """Ascending neighbours as a slice."""
    first = int(indices[0])
    return slice(first, first + len(indices)) if (np.diff(indices) == 1).all() else indices
