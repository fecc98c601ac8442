# SPDX-License-Identifier: MIT
"""The library's problems: their solutions against independent ones, their residuals, networks and floors."""

import inspect

import numpy as np
import pytest
from pde_exact import Exact, points_of, residuals_of, softened
from real_data import PINN
from scipy.integrate import quad, solve_ivp
from scipy.io import loadmat
from scipy.sparse import diags
from scipy.stats import ncx2, norm

import bpfree as bf
from bpfree.pde import PROBLEMS, Problem, Taylor
from bpfree.pde.problems import burgers
from bpfree.pde.problems.spectral import Periodic
from bpfree.pde.residuals import Residuals
from bpfree.registry import HostOnly

WITH_EXACT = {
    "black_scholes": bf.pde.BlackScholes(),
    "black_scholes_2": bf.pde.BlackScholes(strike=80.0, rate=0.01, volatility=0.4),
    "hjb_lin": bf.pde.HJBLIN(),
    "hjb_lin_1": bf.pde.HJBLIN(dim=1),
    "hjb_lqg": bf.pde.HJBLQG(),
    "hjb_lqg_1": bf.pde.HJBLQG(dim=1, m=0.5),
    "hjb_lqg_250": bf.pde.HJBLQG(dim=250, m=2.0),
    "burgers": bf.pde.Burgers(),
    "poisson_1": bf.pde.Poisson(dim=1),
    "poisson": bf.pde.Poisson(),
    "poisson_5": bf.pde.Poisson(dim=5),
    "heat": bf.pde.Heat(),
    "heat_3": bf.pde.Heat(dim=3, alpha=0.05),
    "helmholtz": bf.pde.Helmholtz(),
    "helmholtz_2": bf.pde.Helmholtz(a=3, b=2, k=2.5),
    "darcy": bf.pde.Darcy(),
    "inverse_heat": bf.pde.InverseHeat(),
    "acoustics": bf.pde.Acoustics(),
}
HIGHEST = {("black_scholes", "dirichlet_x_high"): 1e-6, ("black_scholes_2", "dirichlet_x_high"): 2e-3}
"""At x = 1 the condition is that of a stock with an upper bound, and the solution that of one without."""


@pytest.mark.parametrize("name", WITH_EXACT)
def test_the_solution_fulfils_the_equation_and_every_condition(name):
    found = residuals_of(WITH_EXACT[name])
    soft = softened(WITH_EXACT[name])
    assert len(found) == 1 + len(soft.conditions)
    assert {term: value for term, value in found.items() if value > HIGHEST.get((name, term), 1e-9)} == {}


@pytest.mark.parametrize("name", WITH_EXACT)
def test_another_function_does_not(name):
    problem = WITH_EXACT[name]

    def other(c):
        exact = problem.exact(c)
        moved = (1.0 + 0.1 * c.t if "t" in problem.domain.names else 1.1) if isinstance(exact, tuple) else 1.1
        return tuple(one * moved for one in exact) if isinstance(exact, tuple) else exact * moved + 0.01

    assert max(residuals_of(problem, exact=other).values()) > 5e-4


def test_every_problem_is_tried():
    assert {type(problem) for problem in WITH_EXACT.values()} | {bf.pde.AllenCahn} == {row.settings for row in PROBLEMS}


@pytest.mark.parametrize("row", list(PROBLEMS), ids=lambda row: row.name)
def test_rows_of_the_table(row):
    problem = row.settings()
    assert PROBLEMS.of(problem) is row and getattr(bf.pde, row.settings.__name__) is row.settings
    assert row.what and (row.c.reason if isinstance(row.c, HostOnly) else row.c.startswith("bpfree_"))
    arguments = {} if row.settings.__init__ is object.__init__ else inspect.signature(row.settings).parameters
    values = {name: getattr(problem, name) for name in arguments}
    assert all(values[name] == arguments[name].default for name in arguments)
    points = problem.test_points(50, seed=3)
    assert problem.domain.check(points).shape == (50, problem.domain.dim)
    reference = problem.reference(points)
    assert reference.shape == (50, len(problem.outputs)) and np.isfinite(reference).all()
    np.testing.assert_array_equal(row.settings(**values).reference(points), reference)


@pytest.mark.parametrize("row", list(PROBLEMS), ids=lambda row: row.name)
def test_networks_fit_and_have_finite_residuals(row):
    problem = row.settings()
    model = problem.network(seed=2)
    assert (model.graph.input.size, model.graph.output.size) == (problem.domain.dim, len(problem.outputs))
    assert model.hash == problem.network(seed=2).hash != problem.network(seed=3).hash
    network = bf.pde.network.Network(model.graph, model.frozen)
    theta = np.r_[model.theta, list(problem.unknowns.values())]
    residuals = Residuals(problem, network, Taylor(), points_of(problem, 20))
    assert np.isfinite(residuals(theta)).all() and max(residuals.terms(theta).values()) > 1e-4


@pytest.mark.parametrize(
    ("problem", "parameters"), [(bf.pde.BlackScholes(), 833), (bf.pde.HJBLIN(), 1929), (bf.pde.HJBLIN(dim=7), None)]
)
def test_published_networks(problem, parameters):
    graph = problem.network().graph
    assert graph.n_theta == (parameters or graph.n_theta)
    widths = {node.op.name: graph.tensors[node.output].size for node in graph.nodes}
    assert widths == ({"linear": 1, "tanh": 128, "tt_linear": 128} if parameters == 833 else {**widths, "sin": 512})


def test_points_of_a_test_are_those_of_no_step():
    heat = bf.pde.Heat()
    steps = np.concatenate([heat.terms()[0].sample(64, sampler, 0) for sampler in bf.pde.samplers.SAMPLERS])
    assert not np.isin(heat.test_points(64)[:, 0], steps[:, 0]).any()
    np.testing.assert_array_equal(heat.test_points(64), heat.test_points(64))
    assert (heat.test_points(64, seed=1) != heat.test_points(64)).all()


# Floors, against independent numbers to their last digit.
LINEAR = "best a + b t + c |x|^2"
FLOORS = [
    (bf.pde.HJBLIN(), "zero network", 5.46e-2, 1e-4),
    (bf.pde.HJBLIN(), "best constant", 0.0, 1e-12),
    (bf.pde.HJBLQG(20), "zero network", 0.23, 5e-3),
    (bf.pde.HJBLQG(20), "best constant", 5.4e-2, 5e-4),
    (bf.pde.HJBLQG(20), "best a + b t", 5.05e-2, 5e-4),
    (bf.pde.HJBLQG(20), LINEAR, 1.8e-2, 5e-4),
    (bf.pde.HJBLQG(100), "best constant", 2.15e-2, 5e-4),
    (bf.pde.HJBLQG(250), "best constant", 1.55e-2, 5e-4),
    (bf.pde.BlackScholes(), "zero network", 1.0, 1e-12),
    (bf.pde.BlackScholes(), "discounted intrinsic value", 2.95e-2, 5e-4),
]


@pytest.mark.parametrize(("problem", "name", "expected", "within"), FLOORS, ids=range(len(FLOORS)))
def test_floors(problem, name, expected, within):
    assert problem.floors()[name] == pytest.approx(expected, abs=within)


def test_floors_are_least_squares():
    """For Heat, u = A + B f, and a search finds the best constant f."""
    heat = bf.pde.Heat()
    points = heat.test_points(500)
    x, t = points.T
    known, b, u = np.sin(np.pi * x), 4 * x * (1 - x) * t, heat.reference(points)[:, 0]
    errors = [np.linalg.norm(known + b * f - u) / np.linalg.norm(u) for f in np.linspace(-2, 0, 2001)]
    found = heat.floors(points)
    assert found["best constant"] == pytest.approx(min(errors), rel=1e-4)
    assert found["zero network"] == pytest.approx(np.linalg.norm(known - u) / np.linalg.norm(u))


def test_floors_of_two_outputs_and_of_no_reference():
    sound = bf.pde.Acoustics()
    points = sound.test_points(400)
    (p, v), x = sound.reference(points).T, points[:, 0]
    zero = np.r_[p - np.sin(np.pi * x), v]
    assert sound.floors(points)["zero network"] == pytest.approx(np.linalg.norm(zero) / np.linalg.norm(np.r_[p, v]))
    with pytest.raises(ValueError, match="floors: expected a problem with a reference, got Own"):
        type("Own", (Problem,), {"domain": bf.pde.Box(x=(0, 1))})().floors()


# Solutions against independent formulas.
def test_black_scholes_against_the_mean_of_the_payoff():
    problem = bf.pde.BlackScholes(strike=90.0, rate=0.03, volatility=0.3)
    for x, t in [(0.3, 0.2), (0.5, 0.9), (0.9, 0.0)]:
        tau, s, r, k = 1 - t, 0.3, 0.03, 0.45
        grow = (r - s * s / 2) * tau

        def payoff(z, x=x, tau=tau, grow=grow, s=s, k=k):
            return (x * np.exp(grow + s * tau**0.5 * z) - k) * norm.pdf(z)

        start = (np.log(k / x) - grow) / (s * tau**0.5)
        expected = np.exp(-r * tau) * quad(payoff, start, 12, epsabs=1e-13, epsrel=1e-12)[0]
        assert problem.reference([[x, t]]).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert 200 * bf.pde.BlackScholes().reference([[0.5, 0.0]]).item() == pytest.approx(10.450583572185565, abs=1e-12)


def test_black_scholes_at_the_ends():
    edge = [[0.0, 0.3], [0.2, 1.0], [0.5, 1.0], [0.75, 1.0], [0.0, 1.0]]
    np.testing.assert_allclose(bf.pde.BlackScholes().reference(edge)[:, 0], [0, 0, 0, 0.25, 0], atol=1e-14)


@pytest.mark.parametrize(("dim", "m"), [(1, 1.0), (5, 0.5), (20, 1.0), (100, 2.0)])
def test_hjb_lqg_against_the_noncentral_chi_square_distribution(dim, m):
    """exp(-m u) = E (2 / (1 + v X))^m with |x + sqrt(v) z|^2 = v X, where X is noncentral chi-square."""
    problem, random = bf.pde.HJBLQG(dim, m), np.random.default_rng(dim)
    for t in (0.0, 0.6):
        x, v = random.normal(size=dim), 2 * (1 - t)
        law = ncx2(dim, x @ x / v)

        def payoff(y, v=v, law=law):
            return (2 / (1 + v * y)) ** m * law.pdf(y)

        ends = law.ppf([1e-14, 0.5, 1 - 1e-14])
        mean = sum(quad(payoff, *part, epsabs=0, epsrel=1e-11, limit=200)[0] for part in [ends[:2], ends[1:]])
        assert problem.reference([[*x, t]]).item() == pytest.approx(-np.log(mean) / m, abs=2e-9)


def test_hjb_lqg_published_value():
    assert bf.pde.HJBLQG(100).reference(np.zeros((1, 101))).item() == pytest.approx(4.590161724604886, abs=2e-13)


def test_burgers_has_enough_nodes(monkeypatch):
    problem = bf.pde.Burgers()
    points = problem.test_points(2000)
    few = problem.reference(points)
    monkeypatch.setattr(burgers, "NODES", 160)
    np.testing.assert_allclose(few, problem.reference(points), atol=4e-12)


@pytest.mark.data("pinn")
def test_burgers_against_published_values():
    data = loadmat(PINN.find(PINN.files[0]))
    x, t = np.meshgrid(data["x"].ravel(), data["t"].ravel(), indexing="ij")
    found = bf.pde.Burgers().reference(np.stack([x.ravel(), t.ravel()], axis=1))[:, 0]
    np.testing.assert_allclose(found, data["usol"].ravel(), atol=1e-6)


@pytest.mark.data("pinn")
def test_allen_cahn_against_published_values():
    data = loadmat(PINN.find(PINN.files[1]))
    x, t = np.meshgrid(data["x"].ravel(), data["tt"].ravel()[::10], indexing="ij")
    found = bf.pde.AllenCahn().reference(np.stack([x.ravel(), t.ravel()], axis=1))[:, 0]
    error = np.abs(found - data["uu"][:, ::10].ravel()).reshape(x.shape)
    assert error[:, 1:].max() < 1e-3 and error[np.abs(x) < 0.9].max() < 1e-5  # their grid is coarse at the kink, x = 1


def start(x):
    return x**2 * np.cos(np.pi * x)


def test_allen_cahn_with_fixed_ends_against_chebyshev_collocation():
    k = np.arange(401)
    x = np.cos(np.pi * k / 400)
    c = np.where((k == 0) | (k == 400), 2.0, 1.0) * (-1.0) ** k
    first = np.outer(c, 1 / c) / (x[:, None] - x + np.eye(401))
    first -= np.diag(first.sum(axis=1))
    second, x = (first @ first)[1:-1], x[1:-1]

    def slope(t, u):
        return 1e-3 * second @ np.r_[-1.0, u, -1.0] + 5 * (u - u**3)

    def jacobian(t, u):
        return 1e-3 * second[:, 1:-1] + np.diag(5 - 15 * u * u)

    times = [0.1, 0.5, 1.0]
    found = solve_ivp(slope, (0, 1), start(x), "Radau", times, jac=jacobian, rtol=1e-7, atol=1e-9).y
    problem = bf.pde.AllenCahn("dirichlet")
    for time, u in zip(times, found.T):
        mine = problem.reference(np.stack([x, np.full_like(x, time)], axis=1))[:, 0]
        np.testing.assert_allclose(mine, u, atol=2e-7)


def test_allen_cahn_periodic_against_finite_differences():
    """Residuals by central differences of order 4, away from the kink of the initial condition at x = 1."""
    n = 2048
    x = -1 + 2 / n * np.arange(n)
    weights = np.array([-1, 16, -30, 16, -1]) / 12 * (n / 2) ** 2 * 1e-4
    offsets = {k: w for j, w in zip(range(-2, 3), weights) for k in (j, j - n, j + n) if abs(k) < n}
    second = diags(list(offsets.values()), list(offsets), shape=(n, n), format="csc")

    def jacobian(t, u):
        return second + diags(5 - 15 * u * u)

    def slope(t, u):
        return second @ u + 5 * (u - u**3)

    found = solve_ivp(slope, (0, 1), start(x), "BDF", [0.3, 1.0], jac=jacobian, rtol=1e-8, atol=1e-9)
    inside = np.abs(x) < 0.95
    for time, u in zip([0.3, 1.0], found.y.T):
        mine = bf.pde.AllenCahn().reference(np.stack([x, np.full_like(x, time)], axis=1))[:, 0]
        np.testing.assert_allclose(mine[inside], u[inside], atol=2e-5)


def test_allen_cahn_has_enough_modes_and_steps():
    """The difference to a grid half as fine is the error that the kink causes, in root mean square and at most."""
    x, t = bf.pde.AllenCahn().test_points(1500).T
    coarse = Periodic(1e-4, lambda u: 5 * (u - u**3), start, modes=1024, steps=500)
    difference = coarse(x, t) - bf.pde.AllenCahn().reference(np.stack([x, t], axis=1))[:, 0]
    assert np.sqrt((difference**2).mean()) < 5e-6 and np.abs(difference).max() < 2e-4


def test_allen_cahn_names_two_problems():
    points = bf.pde.AllenCahn().test_points(200)
    apart = bf.pde.AllenCahn("periodic").reference(points) - bf.pde.AllenCahn("dirichlet").reference(points)
    assert np.abs(apart).max() > 0.1
    with pytest.raises(ValueError, match="variant: expected one of 'periodic', 'dirichlet', got 'raissi'"):
        bf.pde.AllenCahn("raissi")


@pytest.mark.parametrize("variant", ["periodic", "dirichlet"])
def test_the_reference_of_allen_cahn_fulfils_its_conditions(variant):
    problem = bf.pde.AllenCahn(variant)
    t = np.linspace(0, 1, 7)
    low, high = (problem.reference(np.stack([np.full(7, end), t], axis=1))[:, 0] for end in (-1.0, 1.0))
    np.testing.assert_allclose(low, high if variant == "periodic" else -1.0, atol=1e-10)
    x = np.linspace(-1, 1, 101)
    begin = problem.reference(np.stack([x, np.zeros(101)], axis=1))[:, 0]
    np.testing.assert_allclose(begin, start(x), atol=2e-3 if variant == "periodic" else 1e-6)


def test_the_inverse_problem_knows_no_truth():
    problem = bf.pde.InverseHeat(measurements=30, noise=0.01, seed=4)
    found = residuals_of(problem)
    assert found["residual"] < 1e-14 and 0.005 < found["observed"] < 0.015
    assert problem.bind([0.3]).alpha == 0.3 and problem.alpha == 0.2
    wrong = Exact(softened(problem))
    wrong.theta[-1] = 0.3
    residuals = Residuals(softened(problem), wrong, Taylor(), points_of(softened(problem)))
    assert residuals.terms(wrong.theta)["residual"] > 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bf.pde.HJBLQG(dim=0), "dim: expected an integer >= 1, got 0"),
        (lambda: bf.pde.HJBLQG(m=0), "m: expected a finite number > 0, got 0"),
        (lambda: bf.pde.Heat(alpha=-1), "alpha: expected a finite number > 0, got -1"),
        (lambda: bf.pde.BlackScholes(volatility=0), "volatility: expected a finite number > 0, got 0"),
        (lambda: bf.pde.InverseHeat(measurements=0), r"measurements: expected an integer in \[1, 1048576\], got 0"),
        (lambda: bf.pde.Burgers().reference([[2.0, 0.0]]), r"points: expected x in \[-1, 1\], got \[2.0\]"),
        (lambda: bf.pde.AllenCahn().reference([[0.0, np.nan]]), r"points: expected finite numbers"),
    ],
)
def test_what_problems_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_points_of_lqg_lie_where_brownian_motion_from_the_domain_is():
    """The mean square of a coordinate at t is that of 1 + 2 (t - s) with s uniform in [0, t], which is 1 + t."""
    points = bf.pde.HJBLQG(dim=5).terms()[0].sample(2**14, "sobol", 3)
    squares, t = (points[:, :5] ** 2).mean(axis=1), points[:, 5]
    for low in (0.0, 0.4, 0.8):
        own = (t >= low) & (t < low + 0.2)
        assert abs(squares[own].mean() - (1 + low + 0.1)) < 0.03
