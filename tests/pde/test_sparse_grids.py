"""Sparse grids: counts, exactness on monomials, symmetry, and nodes and weights by three other ways."""

from itertools import product
from math import comb, prod, sqrt

import numpy as np
import pytest

from bpfree.pde.quadrature import DEGREES, FAMILIES, gauss_hermite, genz_keister, rule
from bpfree.pde.sparse_grids import count, half_grid, level3, nodes, orbits

families = pytest.mark.parametrize("family", FAMILIES)


def moment(m):
    """Return E z^m of a standard normal number."""
    return 0 if m % 2 else prod(range(1, m, 2))


def whole(family, dim, level):
    """Return both nodes of every pair."""
    z, w = half_grid(family, dim, level)
    return np.concatenate([z, -z[1:]]), np.concatenate([w, w[1:]])


def by_definition(family, dim, level):
    """Return Heiss and Winschel's sum of tensor products, {node: weight}."""
    found = {}
    for q in range(max(0, level - dim), level):
        sign = (-1) ** (level - 1 - q) * comb(dim - 1, level - 1 - q)
        for levels in product(range(1, level + 1), repeat=dim):
            if sum(levels) == dim + q:
                axes = [list(zip(*rule(family, i))) for i in levels]
                for parts in product(*axes):
                    node = tuple(round(float(a), 9) + 0.0 for a, _ in parts)
                    found[node] = found.get(node, 0.0) + sign * prod(float(b) for _, b in parts)
    centre = {(0.0,) * dim: 0.0}
    return centre | {node: weight for node, weight in found.items() if abs(weight) > 1e-12 or not any(node)}


@pytest.mark.parametrize("k", range(5))
def test_genz_keister_rules_are_nested_and_exact(k):
    z, w = genz_keister(k)
    assert len(z) == (1, 3, 9, 19, 35)[k]
    for m in range(0, DEGREES[k] + 1, 2):
        assert w @ z**m == pytest.approx(moment(m), rel=1e-14)
    assert w @ z ** (DEGREES[k] + 1) != pytest.approx(moment(DEGREES[k] + 1), rel=1e-9)
    if k:
        assert set(genz_keister(k - 1)[0].tolist()) < set(z.tolist())


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_gauss_hermite_rules_are_numpys(n):
    expected = np.polynomial.hermite_e.hermegauss(n)
    z, w = gauss_hermite(n)
    np.testing.assert_allclose(z, expected[0], atol=1e-14)
    np.testing.assert_allclose(w, expected[1] / sqrt(2 * np.pi), rtol=1e-13)


@pytest.mark.parametrize("dim", [2, 3, 5, 21])
def test_counts(dim):
    assert count("gauss_hermite", dim, 1) == 1
    assert count("gauss_hermite", dim, 2) == 2 * dim + 1
    assert count("gauss_hermite", dim, 3) == 2 * dim**2 + 2 * dim + 1
    assert count("genz_keister", dim, 3) == 2 * dim**2 + 1
    assert count("gauss_hermite", dim, 4) == 1 + 8 * dim + 12 * comb(dim, 2) + 8 * comb(dim, 3)
    assert dim not in (known := {2: 29, 5: 241, 21: 13329}) or count("gauss_hermite", dim, 4) == known[dim]
    for family in FAMILIES:
        assert len(whole(family, dim, 3)[0]) == count(family, dim, 3)


@families
@pytest.mark.parametrize(("dim", "level"), [(1, 5), (2, 6), (3, 5), (5, 4), (6, 3)])
def test_exact_on_all_monomials(family, dim, level):
    z, w = whole(family, dim, level)
    powers = z[None] ** np.arange(2 * level + 1)[:, None, None]  # (power, node, column)
    for exponents in product(range(2 * level), repeat=dim):
        if sum(exponents) < 2 * level:
            terms = w * prod(powers[m, :, k] for k, m in enumerate(exponents))
            assert abs(terms.sum() - prod(map(moment, exponents))) <= 1e-12 * np.abs(terms).sum() + 1e-12
    if family == "gauss_hermite":  # of degree 2 level, z_0^(2 level) is wrong
        assert w @ z[:, 0] ** (2 * level) != pytest.approx(moment(2 * level), rel=1e-6)


@pytest.mark.parametrize("dim", [2, 3])
def test_genz_keister_is_exact_beyond_its_level(dim):
    """Level 4 must be exact to degree 7; along one coordinate its 9 nodes are to degree 15, in two 3 by 3 to 5 each."""
    z, w = whole("genz_keister", dim, 4)
    assert w @ z[:, 0] ** 14 == pytest.approx(moment(14), rel=1e-12)
    assert w @ (z[:, 0] ** 4 * z[:, 1] ** 4) == pytest.approx(9, rel=1e-12)
    z, w = whole("gauss_hermite", dim, 4)
    assert w @ (z[:, 0] ** 4 * z[:, 1] ** 4) != pytest.approx(9, rel=1e-3)


@families
@pytest.mark.parametrize(("dim", "level"), [(1, 4), (2, 5), (3, 4), (4, 3)])
def test_weights_are_those_of_the_definition(family, dim, level):
    expected = by_definition(family, dim, level)
    z, w = whole(family, dim, level)
    ours = {tuple((np.round(node, 9) + 0.0).tolist()): weight for node, weight in zip(z, w)}
    assert ours.keys() == expected.keys()
    np.testing.assert_allclose([ours[node] for node in expected], list(expected.values()), rtol=1e-10, atol=1e-12)


@families
@pytest.mark.parametrize("dim", [1, 2, 4, 5, 21, 250])
def test_level_3_in_closed_form(family, dim):
    closed = {tuple(round(a, 9) for a in kind): w for kind, w in level3(family, dim).items()}
    found = {tuple(round(a, 9) for a in kind): w for kind, w in orbits(family, dim, 3)}
    assert found.keys() == {kind for kind, w in closed.items() if w != 0 and len(kind) <= dim}
    np.testing.assert_allclose([found[kind] for kind in found], [closed[kind] for kind in found], rtol=1e-12)


@families
@pytest.mark.parametrize("level", [3, 4])
def test_nodes_are_one_of_each_pair(family, level):
    z, _ = half_grid(family, 4, level)
    assert not z[0].any() and z[1:].any(axis=1).all()
    assert len({tuple(row) for row in [*z.tolist(), *(-z[1:] + 0.0).tolist()]}) == 2 * len(z) - 1
    first = next(iter(nodes(family, 10**6, level)))  # the first node comes without work that grows with the dimension
    assert first[:2] == ((), ())


def test_wrong_use():
    with pytest.raises(ValueError, match=r"family: expected one of 'gauss_hermite', 'genz_keister', got 'clenshaw'"):
        half_grid("clenshaw", 2, 3)
    with pytest.raises(ValueError, match=r"level: expected an integer in \[1, 26\], got 27"):
        half_grid("genz_keister", 1, 27)
    with pytest.raises(ValueError, match=r"dim: expected an integer >= 1, got 0"):
        count("gauss_hermite", 0, 3)


class TestAgainstChaospy:
    """Nodes and weights of another library."""

    @pytest.fixture(autouse=True)
    def library(self):
        self.chaospy = pytest.importorskip("chaospy", reason="another library's grids: pip install chaospy")

    @pytest.mark.parametrize("k", [1, 2, 3])
    def test_genz_keister(self, k):
        z, w = self.chaospy.generate_quadrature(k, self.chaospy.Normal(), rule="genz_keister_24")
        ours = genz_keister(k)
        np.testing.assert_allclose(ours[0], z[0], rtol=1e-7, atol=1e-7)  # moments of their table have errors of 3e-8
        np.testing.assert_allclose(ours[1], w, rtol=1e-6)

    @pytest.mark.parametrize(("dim", "level"), [(2, 3), (2, 5), (3, 4), (5, 3)])
    def test_sparse_gauss_hermite(self, dim, level):
        normal = self.chaospy.Iid(self.chaospy.Normal(), dim)
        theirs = {}
        for node, weight in zip(*[a.T for a in self.chaospy.generate_quadrature(level - 1, normal, "g", sparse=True)]):
            key = tuple((np.round(node, 8) + 0.0).tolist())
            theirs[key] = theirs.get(key, 0.0) + weight
        z, w = whole("gauss_hermite", dim, level)
        ours = {tuple((np.round(node, 8) + 0.0).tolist()): weight for node, weight in zip(z, w)}
        assert ours.keys() == {key for key, weight in theirs.items() if abs(weight) > 1e-12 or not any(key)}
        np.testing.assert_allclose(list(ours.values()), [theirs[key] for key in ours], rtol=1e-9, atol=1e-12)
