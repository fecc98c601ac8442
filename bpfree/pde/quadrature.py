# SPDX-License-Identifier: MIT
"""One-dimensional quadrature rules for the standard normal weight, which sparse grids combine.

Gauss-Hermite rules have the fewest nodes for a given degree. Genz-Keister rules (J. Comput. Appl. Math. 71, 1996) are
nested: each keeps the nodes of the one before, so that a sparse grid of them has fewer nodes.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import prod, sqrt, tau

import numpy as np
from scipy.special import roots_hermitenorm

from bpfree.errors import check_count

FAMILIES = ("gauss_hermite", "genz_keister")

_ADDED = (2, 6, 10, 16)
"""Numbers of nodes that the Genz-Keister rules add to the node at 0, for rules of 1, 3, 9, 19 and 35 nodes."""

DEGREES = (1, 5, 15, 29, 51)
"""Degrees up to which the Genz-Keister rules are exact."""


def rule(family: str, level: int):
    """Return symmetric nodes, ascending, and their weights; the rule is exact for polynomials of degree <= 2 level - 1.

    >>> nodes, weights = rule("genz_keister", 2)  # 3 nodes, and exact even to degree 5
    >>> nodes.round(4).tolist(), weights.round(4).tolist()
    ([-1.7321, 0.0, 1.7321], [0.1667, 0.6667, 0.1667])
    """
    if family == "gauss_hermite":
        return gauss_hermite(level)
    most = (DEGREES[-1] + 1) // 2
    check_count("level", level, 1, most)
    return genz_keister(next(k for k, degree in enumerate(DEGREES) if degree >= 2 * level - 1))


@lru_cache
def gauss_hermite(n: int):
    """Return the rule of n nodes, exact to degree 2n - 1: that of scipy.special.roots_hermitenorm, made symmetric."""
    nodes, weights = roots_hermitenorm(n)
    return _kept((nodes - nodes[::-1]) / 2, (weights + weights[::-1]) / (2 * sqrt(tau)))


@lru_cache
def genz_keister(k: int):
    """Return the k-th rule, where rule 0 has the single node 0, by solving its defining equations in rational numbers.

    Rule k has the nodes of rule k - 1, which are the roots of p, and the roots of an even polynomial q with
    E p(z) q(z) z^j = 0 for every j < deg q. The weights are the means of Lagrange's polynomials.
    """
    if k == 0:
        return _kept(np.zeros(1), np.ones(1))
    positive = [node for node in genz_keister(k - 1)[0] if node > 0]
    old = _with_roots([Fraction(float(node)) ** 2 for node in positive])  # in s = z^2; p = z old(z^2)
    n = _ADDED[k - 1] // 2
    # q = s^n + c[n-1] s^(n-1) + .. has the unknowns c and the equations E z old(z^2) q(z^2) z^j = 0 for j = 1, 3, ..
    means = [[_mean_of(old, i + j + 1) for i in range(n + 1)] for j in range(n)]
    c = _solve([row[:n] for row in means], [-row[n] for row in means])
    added = np.sqrt([_root(c + [Fraction(1)], start) for start in _starts(c)])
    half = np.sort(np.concatenate([positive, added]))
    squares = [Fraction(float(node)) ** 2 for node in half]
    sides = [_weight(squares, i) for i in range(len(squares))]
    weights = [float(weight) for weight in sides]
    centre = float(1 - 2 * sum(sides))
    return _kept(np.concatenate([-half[::-1], [0.0], half]), np.array([*weights[::-1], centre, *weights]))


def _kept(nodes, weights):
    """Return the arrays, made read-only because they are cached."""
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


def _mean_of(polynomial, shift):
    """Return E polynomial(z^2) z^(2 shift)."""
    return sum(c * _moment(shift + i) for i, c in enumerate(polynomial))


def _moment(m):
    """Return E z^(2m) = 1 3 5 .. (2m - 1)."""
    return prod(range(1, 2 * m, 2))


def _with_roots(roots):
    """Return the ascending coefficients of prod (s - root)."""
    result = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *result]
        result = [a - root * b for a, b in zip(shifted, [*result, Fraction(0)])]
    return result


def _weight(squares, i):
    """Return E l(z) / 2, where l = s prod_(j != i) (s - s_j) / .., s = z^2, is 1 at the two nodes with square s_i."""
    others = [s for j, s in enumerate(squares) if j != i]
    value = squares[i] * prod(squares[i] - s for s in others)
    return _mean_of(_with_roots(others), 1) / value / 2


def _solve(matrix, right):
    """Solve a linear system by Gaussian elimination in rational numbers."""
    rows = [[Fraction(a) for a in row] + [Fraction(b)] for row, b in zip(matrix, right)]
    for k in range(len(rows)):
        pivot = next(r for r in range(k, len(rows)) if rows[r][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [a / rows[k][k] for a in rows[k]]
        for r in range(len(rows)):
            if r != k and rows[r][k]:
                factor = rows[r][k]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[k])]
    return [row[-1] for row in rows]


def _starts(c):
    """Return the roots of s^n + .. in floating point, from which Newton's method starts."""
    return np.roots([1.0, *(float(a) for a in reversed(c))]).real


def _root(coefficients, start):
    """Return a root of a polynomial with rational coefficients, correct to float64."""
    s = Fraction(float(start))
    for _ in range(6):
        value = sum(a * s**i for i, a in enumerate(coefficients))
        slope = sum(i * a * s ** (i - 1) for i, a in enumerate(coefficients) if i)
        s = Fraction(float(s - value / slope))
    return float(s)
