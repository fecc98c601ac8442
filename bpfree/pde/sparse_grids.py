# SPDX-License-Identifier: MIT
"""Sparse grids for the mean under a normal weight: Smolyak's combination of one-dimensional rules.

Level k is exact for the means E f(z), z ~ N(0, I) in D dimensions, of all polynomials f of total degree <= 2k - 1, with
O(D^(k-1)) nodes (Heiss, Winschel, J. Econometrics 144, 2008). Everything follows from one polynomial for each
abscissa a >= 0,

    P_a(z) = (1 - z) sum_i w_i(a) z^(i-1),    w_i(a): weight of a in the rule of level i, 0 if it has none

because the weight of a node with coordinates +-a_1 .. +-a_m, the others 0, is

    sum of the first k coefficients of P_0^(D-m) P_a1 .. P_am.

So no table grows with D: nodes are visited one after another, and their weights depend on |a| only.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, permutations, product
from math import comb, factorial, prod, sqrt

import numpy as np

from bpfree.errors import check_choice, check_count
from bpfree.pde.quadrature import FAMILIES, rule

_ROUNDING = 1e-13
"""The largest value, relative to its terms, that rounding gives to a weight of 0."""


def orbits(family: str, dim: int, level: int) -> Iterator[tuple[tuple[float, ...], float]]:
    """Yield the kinds of nodes as (coordinates > 0 in ascending order, weight).

    The nodes of a kind differ by the places and the signs of these coordinates. Kinds with weight 0 are left out,
    except for the centre.

    >>> [(a, round(w, 4)) for a, w in orbits("genz_keister", dim=2, level=3)]
    [((), 0.4444), ((1.7320508075688772,), 0.1111), ((1.7320508075688772, 1.7320508075688772), 0.0278)]
    """
    check_choice("family", family, FAMILIES)
    check_count("dim", dim)
    polynomials = _polynomials(family, check_count("level", level))
    first = {a: int(np.flatnonzero(p)[0]) for a, p in polynomials.items()}

    def grow(coordinates, used):
        yield coordinates
        for a, degree in first.items():
            if a > 0 and used + degree < level and len(coordinates) < dim and (not coordinates or a >= coordinates[-1]):
                yield from grow((*coordinates, a), used + degree)

    for coordinates in grow((), 0):
        parts = [polynomials[a] for a in coordinates]
        parts += [_power(polynomials[0.0], dim - len(coordinates))]
        terms = _product(parts, level)
        size = _product([np.abs(part) for part in parts], level).sum()
        if not coordinates or abs(terms.sum()) > _ROUNDING * size:
            yield coordinates, float(terms.sum())


def count(family: str, dim: int, level: int) -> int:
    """Return the number of nodes, without visiting them.

    >>> count("gauss_hermite", dim=21, level=3), count("genz_keister", dim=21, level=3)
    (925, 883)
    """
    total = 0
    for coordinates, _ in orbits(family, dim, level):
        m = len(coordinates)
        orders = factorial(m) // prod(factorial(coordinates.count(a)) for a in set(coordinates))
        total += comb(dim, m) * orders * 2**m
    return total


def nodes(family: str, dim: int, level: int) -> Iterator[tuple[tuple[int, ...], tuple[float, ...], float]]:
    """Yield half of the nodes as (columns, coordinates there, weight): the centre, then one node of each pair +-.

    The other node of a pair has opposite signs and the same weight.

    >>> for columns, coordinates, weight in nodes("gauss_hermite", dim=2, level=2):
    ...     print(columns, coordinates, weight)
    () () -1.0
    (0,) (1.0,) 0.5
    (1,) (1.0,) 0.5
    """
    for kind, weight in orbits(family, dim, level):
        orders = sorted(set(permutations(kind)))
        signs = [(1.0, *rest) for rest in product((1.0, -1.0), repeat=len(kind) - 1)] if kind else [()]
        for columns in combinations(range(dim), len(kind)):
            for order, sign in product(orders, signs):
                yield columns, tuple(a * s for a, s in zip(order, sign, strict=True)), weight


def half_grid(family: str, dim: int, level: int):
    """Return half of the nodes (M, dim) and their weights (M,): the centre first, then one node of each pair +-.

    E f(z) is approximately weights[0] f(0) + sum_m weights[m] (f(nodes[m]) + f(-nodes[m])).

    >>> z, w = half_grid("gauss_hermite", dim=2, level=3)
    >>> bool(np.isclose(w[1:] @ (2 * z[1:, 0] ** 2 * z[1:, 1] ** 2), 1.0))  # E z0^2 z1^2
    True
    """
    found = list(nodes(family, dim, level))
    z = np.zeros((len(found), dim))
    for row, (columns, coordinates, _) in zip(z, found):
        row[list(columns)] = coordinates
    return z, np.array([weight for *_, weight in found])


def level3(family: str, dim: int) -> dict[tuple[float, ...], float]:
    """Return the weights of level 3 in closed form, by the coordinates that are not 0: a device needs no more.

    >>> level3("gauss_hermite", 21)[()]
    204.0
    """
    check_choice("family", family, FAMILIES)
    d, root = check_count("dim", dim), sqrt(3.0)
    if family == "genz_keister":
        return {(): (d * d - 7 * d + 18) / 18, (root,): (4 - d) / 18, (root, root): 1 / 36}
    return {(): 1 + d * (d - 1) / 2 - d / 3, (1.0,): -(d - 1) / 2, (root,): 1 / 6, (1.0, 1.0): 1 / 4}


@lru_cache
def _polynomials(family, level):
    """Return {abscissa >= 0: coefficients of P_a up to z^(level - 1)}, ascending."""
    found = {}
    for i in range(1, level + 1):
        for a, weight in zip(*rule(family, i)):
            if a >= 0:
                found.setdefault(float(a), np.zeros(level))[i - 1] = weight
    return {a: np.diff(found[a], prepend=0.0) for a in sorted(found)}


def _product(factors, length):
    """Return the product of polynomials, up to z^(length - 1)."""
    result = np.eye(1, length)[0]
    for factor in factors:
        result = np.convolve(result, factor)[:length]
    return result


def _power(polynomial, exponent):
    """Return polynomial ** exponent, cut to the length of the polynomial, by repeated squaring."""
    result, base, length = np.eye(1, len(polynomial))[0], polynomial, len(polynomial)
    while exponent:
        if exponent % 2:
            result = np.convolve(result, base)[:length]
        base, exponent = np.convolve(base, base)[:length], exponent // 2
    return result
