"""Formulas of small quantities: their Jacobian is exact in NumPy, and right by differences outside of it."""

import math

import numpy as np
import pytest

import bpfree as bf
from bpfree.pde.jacobian import Jacobian
from bpfree.pde.network import Network
from bpfree.pde.residuals import Residuals

TIMES = np.linspace(0, 1, 50)[:, None]


class Decay(bf.pde.Problem):
    """u' = -u, written with an unknown k = 0.003, and 50 values of e^-t."""

    domain, points, k = bf.pde.Box(t=(0, 1)), 32, bf.pde.Unknown(0.0035)
    conditions = (bf.pde.Initial(1.0, hard=True), bf.pde.Observed(TIMES, np.exp(-TIMES[:, 0])))

    def network(self, seed=0):
        return bf.Sequential(1, [bf.Linear(8), bf.Tanh(), bf.Linear(1)], seed=seed)


FORMULAS = {
    "divided": lambda self, u, c: u.t + u * (0.003 / self.k),
    "root": lambda self, u, c: u.t + u * np.sqrt(self.k / 0.003),
    "outside NumPy": lambda self, u, c: u.t + u * math.sqrt(self.k / 0.003),
    "in an array": lambda self, u, c: u.t + u * np.asarray([0.003 / self.k])[0],
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_small_unknown_is_found(name):
    problem = type("Small", (Decay,), {"residual": FORMULAS[name]})()
    solution = bf.pde.solve(problem, max_steps=60)
    assert solution.unknowns["k"] == pytest.approx(0.003, rel=1e-5)
    exact = np.exp(-TIMES[:, 0])
    np.testing.assert_allclose(solution.predict(TIMES)[:, 0], exact, atol=1e-6)


@pytest.mark.parametrize("route", ["black_box", "black_box_two_sided"])
def test_probes_of_theta_know_small_unknowns_too(route):
    class Tiny(Decay):
        k = bf.pde.Unknown(3.5e-9)

        def residual(self, u, c):
            return u.t + u * (3e-9 / self.k)

    solution = bf.pde.solve(Tiny(), method=bf.LevenbergMarquardt(route=route), max_steps=60)
    assert solution.unknowns["k"] == pytest.approx(3e-9, rel=1e-5)


class Slope(bf.pde.Problem):
    """|grad u| = 0.001 sqrt(2): the plane 0.001 (x + y)."""

    domain, points = bf.pde.Box(x=(0, 1, 2)), 64
    conditions = (bf.pde.Dirichlet("x", lambda x: 0.001 * x.sum(axis=0)),)

    def residual(self, u, c):
        return np.sqrt(u.grad_square()) - 0.001 * np.sqrt(2)

    def exact(self, c):
        return 0.001 * c.x.sum(axis=0)

    def network(self, seed=0):
        return bf.Sequential(2, [bf.Linear(8), bf.Tanh(), bf.Linear(1)], seed=seed)


def test_the_root_of_a_small_gradient():
    assert bf.pde.solve(Slope(), max_steps=40).error() < 1e-3


def test_a_gradient_of_zero_has_a_root_without_slope():
    model = bf.Sequential(2, [bf.Linear(4), bf.Tanh(), bf.Linear(1)])
    theta = np.zeros(model.graph.n_theta)
    points = {term.name: term.sample(4, "uniform", 0) for term in Slope().terms()}
    r, found = Jacobian(Residuals(Slope(), Network(model.graph, model.frozen), bf.pde.Taylor(), points)).dense(theta)
    assert np.isfinite(r).all() and np.isfinite(found).all()


SCALES = [1e-12, 1e-6, 1.0, 1e6]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("inside", [True, False], ids=["exact", "measured"])
def test_the_jacobian_is_right_at_every_size(scale, inside):
    """Of sqrt(u_x^2 + s^2) / k + u^1.5, at u of size s: the closed form, through the last layer's bias and weights."""

    class Sized(bf.pde.Problem):
        domain, k = bf.pde.Box(x=(0, 1)), bf.pde.Unknown(3.0 * scale)

        def residual(self, u, c):
            value = u.value if inside else OUTSIDE(u.value)
            return np.sqrt(u.x**2 + scale**2) / self.k + (value / scale) ** 1.5

    model = bf.Sequential(1, [bf.Linear(1)])
    points = {"residual": np.array([[0.1], [0.5], [0.9]])}
    residuals = Residuals(Sized(), Network(model.graph, model.frozen), bf.pde.Taylor(), points)
    w, b, k = 0.7 * scale, 0.4 * scale, 3.0 * scale
    found = Jacobian(residuals, "structured").dense(np.array([w, b, k]))[1] * np.sqrt(3)
    x = points["residual"][:, 0]
    bent = 1.5 * np.sqrt((w * x + b) / scale) / scale
    wanted = [w / np.hypot(w, scale) / k + bent * x, bent, np.full(3, -np.hypot(w, scale) / k**2)]
    np.testing.assert_allclose(found, np.stack(wanted, axis=1), rtol=1e-13 if inside else 1e-8)


OUTSIDE = np.vectorize(float)
"""What leaves NumPy's own functions, and changes nothing."""


@pytest.mark.parametrize("scale", SCALES[1:])
@pytest.mark.parametrize("inside", [True, False], ids=["exact", "measured"])
def test_an_ansatz_of_small_outputs(scale, inside):
    """u = s sqrt(f / s) x with f = w of size s: the slope by f is 1/2 sqrt(s / f) x."""

    class Rooted(bf.pde.Problem):
        domain = bf.pde.Box(x=(0.5, 1))

        def ansatz(self, f, c):
            if not inside:
                f = type(f)(OUTSIDE(f.value), f.rest, f.streams)
            return scale * np.sqrt(f * (1.0 / scale)) * c.x

        def residual(self, u, c):
            return u.x + u

    model = bf.Sequential(1, [bf.Linear(1)])
    points = {"residual": np.array([[0.6], [0.9]])}
    residuals = Residuals(Rooted(), Network(model.graph, model.frozen), bf.pde.Taylor(), points)
    w, b, x = 0.3 * scale, 0.5 * scale, points["residual"][:, 0]
    found = Jacobian(residuals, "structured").dense(np.array([w, b]))[1] * np.sqrt(2)
    f = (w * x + b) / scale

    def rows(w, b):
        """Return u_x + u in units of s, with f = w x + b in these units."""
        f = w * x + b
        return 0.5 * w * x / np.sqrt(f) + np.sqrt(f) * (1 + x)

    wanted = [rows(0.3 + 1e-30j, 0.5).imag / 1e-30, rows(0.3, 0.5 + 1e-30j).imag / 1e-30]
    assert f.min() > 0
    np.testing.assert_allclose(found, np.stack(wanted, axis=1), rtol=1e-12 if inside else 1e-7)


def test_a_formula_that_adds_in_place_changes_nothing_else():
    class InPlace(bf.pde.Problem):
        domain = bf.pde.Box(x=(0, 1))

        def residual(self, u, c):
            total = u.x
            total += u.value
            return total + u.x

    class Added(InPlace):
        def residual(self, u, c):
            return 2 * u.x + u

    model, points = bf.Sequential(1, [bf.Linear(3), bf.Tanh(), bf.Linear(1)]), {"residual": np.array([[0.2], [0.7]])}
    theta = model.theta.astype(float)
    one, other = (
        Jacobian(Residuals(problem, Network(model.graph, model.frozen), bf.pde.Taylor(), points)).dense(theta)
        for problem in (InPlace(), Added())
    )
    np.testing.assert_allclose(one[0], other[0], rtol=1e-14)
    np.testing.assert_allclose(one[1], other[1], rtol=1e-13)
