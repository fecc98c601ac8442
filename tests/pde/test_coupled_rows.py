"""Formulas whose rows depend on other points: found before the first step, and solved by whole differences."""

import math

import numpy as np
import pytest

import bpfree as bf
from bpfree.pde.jacobian import ROUTES, Jacobian
from bpfree.pde.network import Network
from bpfree.pde.residuals import Residuals


class Fredholm(bf.pde.Problem):
    """u(x) = x + 2 int_0^1 x s u(s) ds, whose solution is u = 3 x; the integral is a mean over the points."""

    domain, points = bf.pde.Box(x=(0, 1)), 64

    def residual(self, u, c):
        return u - c.x - 2 * c.x * np.mean(c.x * u.value)

    def network(self, seed=0):
        return bf.Sequential(1, [bf.Linear(6), bf.Tanh(), bf.Linear(1)], seed=seed)


MIDDLES = (np.arange(64)[:, None] + 0.5) / 64


class Growth(Fredholm):
    """u' = -3 int_0^1 u, u(0) = 1, whose solution is a line."""

    domain, conditions = bf.pde.Box(t=(0, 1)), (bf.pde.Initial(1.0, hard=True),)

    def residual(self, u, c):
        return u.t + 3 * np.mean(u.value)


def test_an_equation_with_an_integral_is_solved_and_the_route_is_said():
    """With the slope -3 m the mean at the middles is m = 1 - 3 m / 2, so m = 2 / 5."""
    solution = bf.pde.solve(Growth(), points=MIDDLES, max_steps=40)
    np.testing.assert_allclose(solution.predict(MIDDLES), 1 - 1.2 * MIDDLES, atol=1e-6)
    assert "the rows of residual depend on other points than their own, so the Jacobian" in solution.summary()
    assert "depend on other points" not in bf.pde.solve(bf.pde.Poisson(dim=1), points=8, max_steps=1).summary()


class Trapezoids(Growth):
    """The same with the trapezoidal rule, for points in order."""

    def residual(self, u, c):
        return u.t + 3 * np.trapezoid(u.value, c.t)


def test_a_quadrature_over_points_of_ones_own():
    """The rule is exact for lines, so that m = 2 / 5 again; the residual is measured where the rule holds."""
    nodes = np.linspace(0, 1, 21)[:, None]
    solution = bf.pde.solve(Trapezoids(), points=nodes, max_steps=40)
    np.testing.assert_allclose(solution.predict(nodes), 1 - 1.2 * nodes, atol=1e-6)
    assert solution.error("residual_rms") < 1e-5 and "the residual at 21 points that were given" in solution.summary()
    assert solution.outcome_code == "done" and not solution.history.remark


def test_weights_for_so_many_points_are_refused_with_advice():
    class Weighted(Growth):
        def residual(self, u, c):
            return u.t + 3 * np.sum(np.full(64, 1 / 64) * u.value)

    with pytest.raises(ValueError, match=r"residual: expected a formula for any number of points, .* got: .*\(64,\)"):
        bf.pde.solve(Weighted(), points=MIDDLES, max_steps=1)


COUPLED = {
    "mean": lambda u, c: u - np.mean(u.value),
    "weighted sum": lambda u, c: u.x - c.x * (u.value * c.x).sum(),
    "cumulative": lambda u, c: u - np.cumsum(u.value) / 3,
    "reversed": lambda u, c: u.x - u.value[::-1],
    "sorted": lambda u, c: np.sort(u.value) - c.x,
    "first point": lambda u, c: u - u.value[0],
    "largest": lambda u, c: u / np.max(np.abs(u.x)),
    "neighbours": lambda u, c: np.gradient(u.value) - 1.0,
    "rolled": lambda u, c: u - np.roll(u.value, 1),
    "of coordinates": lambda u, c: u * c.x / c.x.max(),
    "clipped": lambda u, c: u - np.minimum(np.mean(u.value), 0.1),
    "only where large": lambda u, c: u - np.where(u.value > 10, u.value.max(), 0.0),
    "quadrature": lambda u, c: u - np.trapezoid(u.value, c.x),
    "one of two": lambda u, c: (u.x - 1.0, u - np.median(u.value)),
}


@np.vectorize
def root(value):
    """Return the square root; negative numbers are refused."""
    return math.sqrt(value)


LOCAL = {
    "elementwise": lambda u, c: u.x - np.sin(u.value) * c.x,
    "stacked": lambda u, c: np.stack([u.x, u.value]).sum(axis=0),
    "constant": lambda u, c: u * np.mean([1.0, 2.0]),
    "of some numbers only": lambda u, c: u.x + root(u.value),
    "not finite everywhere": lambda u, c: np.log(u.value - 0.5) + u.x,
}


def jacobian_of(formula, n=20, route=None):
    names = {"domain": bf.pde.Box(x=(0, 1)), "residual": lambda self, u, c: formula(u, c)}
    problem = type("Tried", (bf.pde.Problem,), names)
    model = bf.Sequential(1, [bf.Linear(3), bf.Tanh(), bf.Linear(1)], seed=3)
    points = {"residual": np.random.default_rng(1).random((n, 1))}
    return Jacobian(Residuals(problem(), Network(model.graph, model.frozen), bf.pde.Taylor(), points), route), model


@pytest.mark.parametrize("name", COUPLED)
def test_rows_that_depend_on_other_points_are_found(name):
    jacobian, _ = jacobian_of(COUPLED[name])
    assert jacobian.residuals.coupled == ("residual",) and jacobian.route == "black_box"
    with pytest.raises(ValueError, match="route: expected black_box .* got structured: the rows of residual depend on"):
        jacobian_of(COUPLED[name], route="structured")


@pytest.mark.parametrize("name", LOCAL)
def test_rows_of_their_own_points_are_no_false_alarm(name):
    jacobian, _ = jacobian_of(LOCAL[name])
    assert jacobian.residuals.coupled == () and jacobian.route == "structured"


@pytest.mark.parametrize(
    "problem",
    [row.settings() for row in bf.pde.PROBLEMS] + [bf.pde.AllenCahn("dirichlet"), bf.pde.HJBLQG(dim=3)],
    ids=lambda problem: problem.name,
)
def test_problems_of_the_library_are_no_false_alarm(problem):
    model = problem.network()
    points = {term.name: term.sample(30, "sobol", 0) for term in problem.terms()}
    network = Network(model.graph, model.frozen)
    assert Residuals(problem, network, bf.pde.Taylor(), points).coupled == ()


@pytest.mark.parametrize("route", [route for route in ROUTES if route != "structured"])
def test_blocks_of_coupled_rows_are_never_cut(route):
    """The Jacobian of u - mean u, from a few points at a time too, is that of u less its mean over the points."""
    jacobian, model = jacobian_of(lambda u, c: u - np.mean(u.value), route=route)
    plain, _ = jacobian_of(lambda u, c: u.value, route="structured")
    theta = model.theta.astype(float)
    r, own = plain.dense(theta)
    for floats in (10, 1 << 19):
        found = np.empty_like(own)
        for rows, values, block in jacobian.blocks(theta, floats):
            np.testing.assert_allclose(values, (r - r.mean())[rows], atol=1e-14)
            found[rows] = block
        np.testing.assert_allclose(found, own - own.mean(axis=0), atol=1e-7)


def test_the_last_layer_alone_is_solved_for_too():
    """u - x - 2 x mean(x u) is linear in these; the mean makes the 3 of u = 3 x into 1 / (1 - 2 mean x^2)."""
    solution = bf.pde.solve(Fredholm(), points=MIDDLES, method=bf.LeastSquaresHead())
    np.testing.assert_allclose(solution.predict(MIDDLES), MIDDLES / (1 - 2 * (MIDDLES**2).mean()), atol=1e-5)


def test_methods_that_need_rows_of_their_own_points_are_refused():
    expected = r"method: expected one that takes .* got StructuredGradient: the rows of residual depend on other points"
    for method in (bf.StructuredGradient(), bf.Alternate(bf.LeastSquaresHead(), bf.StructuredGradient())):
        with pytest.raises(ValueError, match=expected):
            bf.pde.solve(Fredholm(), method=method, max_steps=1)
    first = bf.pde.solve(Fredholm(), method=bf.FirstOrder(), max_steps=1)
    assert "the rows of residual depend on other points" in first.summary() and "Jacobian" not in first.summary()
    wide = bf.Sequential(1, [bf.Linear(2000), bf.Tanh(), bf.Linear(1)])
    assert type(bf.pde.solve(Fredholm(), wide, points=8, max_steps=1).method) is bf.FirstOrder
    assert "FirstOrder: 6,001 parameters: too many for J^T J, and rows depend" in bf.pde.explain(Fredholm(), wide).why


def test_random_formulas_are_a_warning():
    random = np.random.default_rng(0)

    class Noisy(Fredholm):
        def residual(self, u, c):
            return u + random.standard_normal(u.value.shape)

    with pytest.warns(UserWarning, match="residual: expected the same rows each time .* got others the second time"):
        bf.pde.solve(Noisy(), points=8, max_steps=1)
