"""Exact derivatives of formulas: dual numbers against automatic differentiation and closed forms."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import elementwise_grad
from scipy import special

from bpfree.pde.dual import Dual, LeavesNumPy, seeded, slopes_of
from bpfree.pde.partials import CONSTANT, PARTIALS
from bpfree.pde.steps import difference

RANDOM = np.random.default_rng(0)
INSIDE = {np.arccosh: (1.1, 3.0), np.arcsin: (-0.9, 0.9), np.arccos: (-0.9, 0.9), np.arctanh: (-0.9, 0.9)}
"""Where a function is defined, other than (0.1, 2)."""


@pytest.mark.parametrize("ufunc", PARTIALS, ids=lambda ufunc: ufunc.__name__)
def test_every_function_has_the_derivatives_of_complex_steps_or_of_autograd(ufunc):
    low, high = INSIDE.get(ufunc, (0.1, 2.0))
    plain = [RANDOM.uniform(low, high, 9) for _ in range(ufunc.nin)]
    found = ufunc(*(seeded(one, k, ufunc.nin) for k, one in enumerate(plain))).slopes
    for k in range(ufunc.nin):

        def moved(shift, k=k):
            return ufunc(*(one + shift if j == k else one for j, one in enumerate(plain)))

        try:
            complex_step = moved(1e-30j)
        except TypeError:  # not for complex numbers
            complex_step = np.zeros(9)
        if np.iscomplexobj(complex_step):
            np.testing.assert_allclose(found[k], complex_step.imag / 1e-30, rtol=1e-13, atol=1e-15)
        else:
            near, far = (moved(step) - moved(-step) for step in (1e-4, 2e-4))
            np.testing.assert_allclose(found[k], (8 * near - far) / 12e-4, rtol=1e-9, atol=1e-11)


def formulas():
    """Yield formulas of (np, x, y), which autograd differentiates too."""
    yield lambda np, x, y: x * y - y**3 / (1 + x**2)
    yield lambda np, x, y: np.sqrt(x * x + y * y) + np.exp(-x) * np.sin(3 * y)
    yield lambda np, x, y: np.where(x > y, x * y, np.tanh(y)) + np.maximum(x, 0.7) * np.minimum(y, 0.4)
    yield lambda np, x, y: (np.stack([x, 2 * y, x * y]) ** 2).sum(axis=0)
    yield lambda np, x, y: np.einsum("ij,jn->in", A, np.stack([x, y]))[1] * x
    yield lambda np, x, y: (A @ np.stack([x, y]))[0] ** x
    yield lambda np, x, y: A[0] @ np.stack([x * y, y])
    yield lambda np, x, y: np.clip(x, 0.3, 0.9) * np.log(y) - abs(x - 0.5)
    yield lambda np, x, y: np.mean(np.concatenate([np.stack([x, y]), np.stack([y * y, x])]), axis=0)
    yield lambda np, x, y: 2.0**x + y**-2 + x**y + (-x) * y


A = np.array([[1.0, 0.3], [0.2, 2.0]])


@pytest.mark.parametrize("formula", list(formulas()))
def test_formulas_have_the_derivatives_of_autograd(formula):
    x, y = RANDOM.uniform(0.1, 1.0, (2, 11))
    found = formula(np, seeded(x, 0, 2), seeded(y, 1, 2))
    np.testing.assert_array_equal(found.plain, formula(np, x, y))
    for k in range(2):
        wanted = elementwise_grad(lambda x, y: formula(anp, x, y), k)(x, y)
        np.testing.assert_allclose(found.slopes[k], wanted, rtol=1e-13, atol=1e-14)


def test_a_number_that_is_the_same_at_all_points_meets_points():
    k, x = seeded(3.0, 0, 2), seeded(np.array([1.0, 2.0]), 1, 2)
    found = k * x + np.sqrt(k) / np.array([4.0, 5.0])
    own = 0.5 / math.sqrt(3.0) / np.array([4.0, 5.0])
    np.testing.assert_allclose(slopes_of(found, 2, (2,)), [[1.0, 2.0] + own, [3.0, 3.0]], rtol=1e-15)
    assert (k > 2.0) and not (k > 4.0) and (k < x).tolist() == [False, False]


def test_adding_in_place_is_adding():
    x = seeded(np.array([1.0, 2.0]), 0, 1)
    total = x * x
    total += 3 * x
    total -= 1
    np.testing.assert_allclose(total.slopes, [[5.0, 7.0]])
    pair = np.stack([x, x])
    pair[1] = x * 4
    pair[0] += 1.0
    np.testing.assert_allclose(pair.slopes[0], [[1.0, 1.0], [4.0, 4.0]])
    view = pair[1]
    view *= 2.0
    np.testing.assert_allclose(pair.slopes[0], [[1.0, 1.0], [8.0, 8.0]])
    np.testing.assert_allclose(pair.plain, [[2.0, 3.0], [8.0, 16.0]])
    with pytest.raises(ValueError, match="read-only"):
        np.broadcast_to(x, (3, 2))[0] += 1.0
    k = rate = seeded(3.0, 0, 1)
    rate *= 2.0
    assert (k.plain, k.slopes.tolist(), rate.plain, rate.slopes.tolist()) == (3.0, [1.0], 6.0, [2.0])


LEAVE = [
    np.asarray,
    lambda x: np.array([x, x]),
    lambda x: np.zeros(3) + np.full(3, x),
    lambda x: np.empty(3).__setitem__(slice(None), x),
    lambda x: np.ones(3).__iadd__(x),
    lambda x: math.exp(x),
    float,
    np.float64,
    np.vectorize(math.sqrt),
    np.sum,
    np.mean,
    np.cumsum,
    np.sort,
    np.max,
    np.add.reduce,
    lambda x: x[::-1],
    lambda x: x[0],
    lambda x: x[x > 0.5],
    lambda x: x[..., None],
    lambda x: np.stack([x, x], axis=-1),
    lambda x: np.concatenate([x, x]),
    lambda x: np.einsum("n,n->", x, x),
    lambda x: np.einsum("n,n->n", x, x[:2]),
    lambda x: np.interp(x, [0.0, 1.0], [0.0, 1.0]),
    lambda x: x @ np.ones(3),
    special.j0,
    sum,
]


@pytest.mark.parametrize("odd", LEAVE)
def test_nothing_loses_derivatives_without_a_word(odd):
    with pytest.raises(LeavesNumPy):
        odd(seeded(np.array([0.2, 0.6, 0.7]), 0, 1))


@pytest.mark.parametrize("ufunc", sorted(CONSTANT, key=lambda ufunc: ufunc.__name__), ids=lambda ufunc: ufunc.__name__)
def test_what_is_constant_between_jumps_is_plain(ufunc):
    x, plain = seeded(np.array([0.2, 1.7]), 0, 1), np.array([0.2, 1.7])
    found = ufunc(*[x] * ufunc.nin)
    assert not isinstance(found, Dual)
    np.testing.assert_array_equal(found, ufunc(*[plain] * ufunc.nin))


@pytest.mark.parametrize("size", [1e-9, 1e-4, 1.0, 1e5])
def test_differences_fit_the_size_of_what_they_move(size):
    """1 / v and sqrt(v) are as well resolved for small v as for large ones; what is added to 1 is not lost."""
    v = size * np.array([0.5, 1.0, 2.0])
    np.testing.assert_allclose(difference(lambda shift: 1 / (v + shift), v), -1 / v**2, rtol=1e-8)
    np.testing.assert_allclose(difference(lambda shift: np.sqrt(v + shift), v), 0.5 / np.sqrt(v), rtol=1e-8)
    np.testing.assert_allclose(difference(lambda shift: 1.0 + 3 * (v + shift), v), 3.0, rtol=1e-9)
    np.testing.assert_allclose(difference(lambda shift: np.sin(shift), np.zeros(3)), 1.0, rtol=1e-9)
