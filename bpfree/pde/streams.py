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

    @property
    def by_coordinates(self) -> bool:
        """Whether the directions are the first coordinates, in their order."""
        return np.array_equal(self.directions, np.eye(*self.directions.shape))

    def form_rows(self):
        """Forms as C has them, (terms, first, count): terms [(a, b, c), ...], or None for the sum of d_a d_a over
        first <= a < first + count, which needs no table."""
        rows = []
        for parts in self.terms:
            terms = list(zip(*(part.tolist() for part in parts), strict=True))
            first = terms[0][0]
            plain = terms == [(first + k, first + k, 1.0) for k in range(len(terms))]
            rows.append((None if plain else terms, first, len(terms)))
        return rows

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

    def crossed(self, arithmetic, rest, moved):
        """How `squares` of u move where its first derivatives do by `moved` (..., G, n): (..., H, n)."""
        return self.squares(arithmetic, rest, moved) + self.squares(arithmetic, moved, rest)

    def crossed_back(self, weights, rest):
        """(..., G, n), whose product with `moved` is that of weights (..., H, n) with `crossed`, for every `moved`."""
        shape = np.broadcast_shapes((*weights.shape[:-2], 1, weights.shape[-1]), rest[..., :1, :].shape)
        found = np.zeros((*shape[:-2], self.n_first, shape[-1]), rest.dtype)
        for f, (a, b, c) in enumerate(self._runs):
            weight = weights[..., f : f + 1, :] * (c[:, None] if np.ndim(c) else c)
            for one, another in ((a, b), (b, a)):
                if isinstance(one, slice) or len(set(one.tolist())) == len(one):
                    found[..., one, :] += weight * rest[..., another, :]
                else:  # an index twice: += would count it once
                    for k, (i, j) in enumerate(zip(one, np.arange(self.n_first)[another])):
                        found[..., i, :] += weight[..., min(k, weight.shape[-2] - 1), :] * rest[..., j, :]
        return found

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
