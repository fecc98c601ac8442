# SPDX-License-Identifier: MIT
"""Stein's identities: derivatives of a smoothed u from its values, as weights of passes in antithetic pairs."""

from __future__ import annotations

import numpy as np

from bpfree.pde.rules.table import Stencil

SEMANTICS = ("u", "smoothed")
"""Names of what the value is: u itself, or u smoothed like its derivatives."""


def antithetic(layout, z, w, centre: float, sigma: float, of: str):
    """Return offsets (2 M + 1, dim) and weights (count, 2 M + 1) for pairs +- sigma z[m] with weights w[m].

    d_a u      = sum_m w_m (d_a . z_m) [u(x + sigma z_m) - u(x - sigma z_m)] / sigma
    d_a d_b u  = sum_m w_m ((d_a . z_m) (d_b . z_m) - d_a . d_b) [u(+) + u(-) - 2 u(x)] / sigma^2
    value      = u(x), or for the smoothed u centre u(x) + sum_m w_m [u(+) + u(-)]

    The centre comes first. Its weight in a derivative is minus the sum of the others, so that adding a constant to u
    changes no derivative.
    """
    streams, n = layout.streams, layout.streams.n_first
    along = streams.directions @ z.T  # (G, M)
    odd, even = np.zeros((2, streams.count, len(z)))
    if of == "smoothed":
        even[0] = w
    odd[1 : 1 + n] = w * along / sigma
    dots = streams.directions @ streams.directions.T
    for row, (a, b, c) in enumerate(streams.terms, 1 + n):
        even[row] = w * (c @ (along[a] * along[b] - dots[a, b][:, None])) / sigma ** 2
    middle = -2 * even.sum(axis=1)
    middle[0] = centre if of == "smoothed" else 1.0
    pairs = np.stack([even + odd, even - odd], axis=-1).reshape(streams.count, -1)
    offsets = sigma * np.stack([z, -z], axis=1).reshape(-1, layout.dim)
    return np.concatenate([np.zeros((1, layout.dim)), offsets]), np.concatenate([middle[:, None], pairs], axis=1)


def extrapolated(coarse, fine):
    """Return (4 fine - coarse) / 3 of offsets and weights, where fine has half the sigma of coarse.

    The error is then of order 4. Both share the centre.
    """
    offsets = np.concatenate([coarse[0], fine[0][1:]])
    first, second = -coarse[1] / 3, 4 * fine[1] / 3
    centre = first[:, :1] + second[:, :1]
    return offsets, np.concatenate([centre, first[:, 1:], second[:, 1:]], axis=1)


def stencil_of(layout, offsets, weights, rule) -> Stencil:
    """Return the stencil without the passes whose weights are all 0."""
    used = np.any(weights != 0, axis=0)
    return Stencil(layout, offsets[used], weights[:, used], rule)
