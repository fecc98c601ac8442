# SPDX-License-Identifier: MIT
"""Conditions: soft ones are rows that vanish for a solution only, hard ones hold for every network."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import elementwise_grad
from pde_exact import Exact, residuals_of

import bpfree as bf
from bpfree.pde import Box, Dirichlet, Initial, Neumann, Normal, Observed, Periodic, Robin, Taylor, Terminal, Unknown
from bpfree.pde.fields import Coordinates
from bpfree.pde.network import Network
from bpfree.pde.residuals import Residuals
from bpfree.pde.samplers import interior


def problem(domain, *conditions, outputs=("u",), **more):
    """Return a problem whose equation is 0 = 0."""

    def residual(self, u, c):
        return np.zeros(c.x.shape[-1])

    kind = type("Own", (bf.pde.Problem,), {"domain": domain, "outputs": outputs, "residual": residual, **more})
    found = kind()
    found.conditions = conditions
    return found


X, XT, CUBE = Box(x=(-1, 2)), Box(x=(0, 1), t=(0.5, 2)), Box(x=(0, 2, 3), t=(0, 1))
# Domain, condition, u(c), and the residual of u at the points, half of which are at either end.
SOFT = [
    (X, Dirichlet("x", lambda x: x * x), lambda c: c.x**2, [0, 0]),
    (X, Dirichlet("x", 3.0, side="high"), lambda c: c.x**2, [1, 1]),
    (X, Neumann("x", 4.0), lambda c: c.x**2, [-2, 0]),  # du/dn = -u_x = 2 at -1, u_x = 4 at 2
    (X, Neumann("x", 2.0, side="low"), lambda c: c.x**2, [0, 0]),
    (X, Robin("x", 2.0, -1.0, side="low"), lambda c: c.x**2, [0, 0]),  # 2 u - du/dn = 2 - 2
    (X, Robin("x", 1.0, 0.5, lambda x: x), lambda c: c.x**2, [3, 4]),  # 1 + 1 - (-1), 4 + 2 - 2
    (XT, Initial(lambda x: 0.5 * x), lambda c: c.x * c.t, [0, 0]),
    (XT, Terminal(lambda c: 2 * c.x), lambda c: c.x * c.t, [0, 0]),
    (XT, Terminal(1.0), lambda c: c.t, [1, 1]),
    (XT, Periodic("x", derivative=False), lambda c: c.x * (1 - c.x) + c.t, [0, 0]),
    (XT, Periodic("x", derivative=False), lambda c: 2 * c.x + c.t, [-2, -2]),
]
# The same for conditions of two equations, of which the second may fail.
TWICE = [
    (XT, Initial(lambda x: 0.5 * x, velocity=lambda x: x), lambda c: c.x * c.t, 0),
    (XT, Initial(lambda x: 0.5 * x, velocity=3.0), lambda c: c.t + c.x * 0.5 - 0.5, -2),
    (XT, Periodic("x"), lambda c: np.sin(2 * np.pi * c.x) * c.t, 0),
    (XT, Periodic("x"), lambda c: c.x * (1 - c.x) + c.t, 2),  # slopes 1 and -1
]


def rows_of(domain, condition, u, n):
    """Return the rows (equations, n) of a condition's term."""
    own = problem(domain, condition)
    network = Exact(own, u)
    found = Residuals(own, network, Taylor(), {term.name: term.sample(n, "sobol", 1) for term in own.terms()})
    return found.rows(own, found.jets(network.theta))[1]


@pytest.mark.parametrize(("domain", "condition", "u", "expected"), SOFT, ids=range(len(SOFT)))
def test_rows_of_soft_conditions(domain, condition, u, expected):
    np.testing.assert_allclose(rows_of(domain, condition, u, 64), [np.repeat(expected, 32)], atol=1e-14)


@pytest.mark.parametrize(("domain", "condition", "u", "second"), TWICE, ids=range(len(TWICE)))
def test_conditions_of_two_equations(domain, condition, u, second):
    rows = rows_of(domain, condition, u, 50)
    np.testing.assert_allclose(rows, np.array([[0], [second]]) + np.zeros(50), atol=1e-14)


def test_the_normal_of_a_cube_points_out_on_every_face():
    """u = |x|^2 / 2 - sum x: du/dn = n . (x - 1) = 1 on all faces of [0, 2]^3."""
    own = problem(CUBE, Neumann("x", 1.0))
    exact = residuals_of(own, exact=lambda c: (c.x * c.x).sum(axis=0) * 0.5 - c.x.sum(axis=0), n=60)
    assert exact["neumann_x"] < 1e-14


def test_weights_shares_and_names():
    both = problem(XT, Dirichlet("x", 0.0, weight=9.0, share=0.25), Neumann("x", 0.0), Neumann("x", 0.0), Periodic("x"))
    terms = both.terms()
    assert [term.name for term in terms] == ["residual", "dirichlet_x", "neumann_x", "neumann_x#2", "periodic_x"]
    assert (terms[1].weight, terms[1].share, terms[2].weight) == (9.0, 0.25, 1.0)


def test_observations_know_their_values_in_any_subset():
    points = np.random.default_rng(0).uniform(0, 1, (20, 2)) * [1, 1.5] + [0, 0.5]
    own = problem(XT, Observed(points, np.sin(points[:, 0]) * points[:, 1], weight=2.0))

    def solution(c):
        return np.sin(c.x) * c.t

    assert residuals_of(own, exact=solution)["observed"] < 1e-15
    assert residuals_of(own, exact=solution, points={"observed": points[[7, 3]]})["observed"] < 1e-15
    assert residuals_of(own, exact=lambda c: solution(c) + 1.0)["observed"] == pytest.approx(1.0)


def test_one_output_of_several():
    own = problem(XT, Dirichlet("x", 1.0, output="b"), Initial(2.0, output="a"), outputs=("a", "b"))
    found = residuals_of(own, exact=lambda c: (0.0 * c.x + 2.0, 0.0 * c.x + 1.0))
    assert (found["dirichlet_x_b"], found["initial_a"]) == (0.0, 0.0)


HARD = {
    "one end": (X, [Dirichlet("x", 3.0, "low", hard=True)]),
    "both ends": (X, [Dirichlet("x", lambda x: np.exp(x), hard=True)]),
    "two ends": (X, [Dirichlet("x", 3.0, "low", hard=True), Dirichlet("x", -1.0, "high", hard=True)]),
    "initial": (XT, [Initial(lambda x: np.sin(x), hard=True)]),
    "terminal": (XT, [Terminal(lambda c: np.sin(c.x), hard=True)]),
    "initial, terminal": (XT, [Initial(lambda x: x, hard=True), Terminal(lambda x: x * x, hard=True)]),
    "initial, ends": (
        XT,
        [Initial(lambda x: x * x, hard=True), Dirichlet("x", lambda x, t: x * np.sqrt(2 * t), hard=True)],
    ),
    "initial with velocity, ends": (
        XT,
        [
            Initial(lambda x: np.sin(np.pi * x), velocity=lambda x: x * (1 - x), hard=True),
            Dirichlet("x", 0.0, hard=True),
        ],
    ),
    "square": (
        Box(x=(-1, 1), y=(0, 2)),
        [Dirichlet("x", lambda x, y: x * y + y, hard=True), Dirichlet("y", lambda x, y: x * y + y, hard=True)],
    ),
    "cube and initial": (
        CUBE,
        [
            Dirichlet("x", lambda t: t, hard=True),
            Initial(lambda x: sum(np.sin(np.pi * x[k]) for k in range(3)) * 0.0, hard=True),
        ],
    ),
    "normal": (Box(x=Normal(2), t=(0, 1)), [Terminal(lambda x: (x * x).sum(axis=0), hard=True)]),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_conditions_hold_whatever_the_network_is(name):
    domain, conditions = HARD[name]
    own = problem(domain, *conditions)
    assert [term.name for term in own.terms()] == ["residual"]  # hard conditions have no terms
    network, random = own.network(seed=3), np.random.default_rng(1)
    theta = random.normal(size=network.graph.n_theta)
    tried = copy.copy(own)
    tried.conditions = [replace(one, hard=False) for one in conditions]
    points = {term.name: term.sample(60, "sobol", 5) for term in tried.terms()}
    tried.__class__ = type("Tried", (type(own),), {"ansatz": lambda self, f, c: own.ansatz(f, c)})
    soft = Residuals(tried, Network(network.graph, network.frozen), Taylor(), points).terms(theta)
    assert len(soft) == 1 + len(conditions) and all(value < 1e-24 for value in soft.values()), soft
    inside = interior(domain, 100, seed=2)
    c = Coordinates(domain, inside)
    moved = own.ansatz(np.ones(len(inside)), c) - own.ansatz(np.zeros(len(inside)), c)
    assert (moved > 0).all() and moved.max() <= 1 + 1e-12  # elsewhere the network decides


def test_a_hard_ansatz_is_the_formula_that_one_would_write():
    own = problem(XT, Dirichlet("x", 0.0, hard=True), Initial(lambda x: np.sin(np.pi * x), hard=True))
    points = interior(XT, 100, seed=2)
    x, t = points.T
    c, f = Coordinates(XT, points), np.cos(x + t)
    expected = np.sin(np.pi * x) + 4 * x * (1 - x) * (t - 0.5) / 1.5 * f
    np.testing.assert_allclose(own.ansatz(f, c), expected, rtol=1e-14)


def test_a_hard_ansatz_is_differentiated_exactly():
    """The ansatz is compared with autograd, for the network f = sin(x t) in closed form."""
    conditions = HARD["initial, ends"][1]
    own = problem(XT, *conditions, residual=lambda self, u, c: (u.xx, u.t, u.x))

    def formula(x, t):
        known = x * anp.sqrt(2 * t) + x * x - x  # right at x = 0, x = 1 and t = 0.5
        return known + 4 * x * (1 - x) * (t - 0.5) / 1.5 * anp.sin(x * t)

    points = interior(XT, 100, seed=2)
    x, t = points.T
    network = Exact(own, exact=lambda c: np.sin(c.x * c.t))
    found = Residuals(own, network, Taylor(), {"residual": points})
    rows = found.rows(own, found.jets(network.theta))[0]
    u_x, u_t = elementwise_grad(formula, 0), elementwise_grad(formula, 1)
    expected = [elementwise_grad(u_x, 0)(x, t), u_t(x, t), u_x(x, t)]
    np.testing.assert_allclose(rows, expected, rtol=1e-11, atol=1e-12)


def test_each_output_has_its_own_ansatz():
    own = problem(XT, Dirichlet("x", 2.0, output="b", hard=True), outputs=("a", "b"))
    c = Coordinates(XT, np.array([[0.0, 1.0], [0.5, 1.0]]))
    a, b = own.ansatz(SimpleNamespace(a=np.array([5.0, 6.0]), b=np.array([7.0, 8.0])), c)
    assert (a.tolist(), b.tolist()) == ([5.0, 6.0], [2.0, 10.0])


def nan(x):
    return np.full_like(x, np.nan)


BAD = [
    (XT, [Dirichlet("y", 0.0)], "dirichlet_y: expected one of the coordinates x, t, got 'y'"),
    (X, [Initial(0.0)], "initial: expected a coordinate t of one dimension, got x"),
    (X, [Terminal(0.0)], "terminal: expected a coordinate t of one dimension, got x"),
    (Box(x=Normal(2), t=(0, 1)), [Dirichlet("x", 0.0)], "dirichlet_x: expected a coordinate with ends, got x, which"),
    (CUBE, [Periodic("x")], "periodic_x: expected a coordinate of one dimension"),
    (XT, [Dirichlet("x", 0.0, side="left")], "side: expected one of 'low', 'high', 'both', got 'left'"),
    (XT, [Dirichlet("x", nan)], "dirichlet_x: expected finite numbers, got nan"),
    (XT, [Dirichlet("x", lambda q: q)], "dirichlet_x: expected a function of coordinates .* got the argument 'q'"),
    (XT, [Dirichlet("x", lambda x: np.zeros((2, x.size)))], "dirichlet_x: expected one number per point, .* got shape"),
    (XT, [Dirichlet("x", 0.0, output="v")], "dirichlet_x: expected output=u, got 'v'"),
    (XT, [Observed([[0.5, 0.6]], [1.0, 2.0])], r"observed: expected values of shape \(1,\), got \(2,\)"),
    (XT, [Observed([[0.5, 0.6]], [np.nan])], "observed: expected finite values, got nan"),
    (XT, [Observed([[0.5, 9.6]], [1.0])], r"observed: expected t in \[0.5, 2\], got \[9.6\]"),
    (
        XT,
        [Dirichlet("x", 0.0), Dirichlet("x", 1.0, side="low")],
        "expected one value where both hold, got 0 and 1 at x = 0",
    ),
    (XT, [Dirichlet("t", 0.0, side="low"), Initial(1.0)], "dirichlet_t_low, initial: expected one value .*at t = 0.5"),
    (XT, [Neumann("x", 0.0), Neumann("x", 1.0, side="high")], "neumann_x, neumann_x_high: .* got 0 and 1 at x = 1"),
    (XT, [Dirichlet("x", 1.0), Robin("x", 2.0, 0.0, 1.0)], "dirichlet_x, robin_x: .* got 1 and 0.5 at x = 0"),
    (
        CUBE,
        [Dirichlet("x", 0.0, "low", hard=True), Dirichlet("x", lambda x: x[0], "high", hard=True)],
        "hard conditions: expected one condition for all ends of x, got two; write `ansatz` by hand",
    ),
    (
        Box(x=(0, 1, 2), y=(0, 1, 2)),
        [Dirichlet("x", 0.0, hard=True), Dirichlet("y", 0.0, hard=True)],
        "expected at most one coordinate of several dimensions, got x, y; write `ansatz` by hand",
    ),
    (
        XT,
        [Initial(0.0, velocity=1.0, hard=True), Dirichlet("x", lambda t: t - 0.5, hard=True)],
        "expected numbers as all other values beside a velocity",
    ),
]


@pytest.mark.parametrize(("domain", "conditions", "message"), BAD, ids=range(len(BAD)))
def test_contradictory_conditions_are_refused(domain, conditions, message):
    with pytest.raises(ValueError, match=message):
        problem(domain, *conditions).terms()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Neumann("x", 0.0, hard=True), "Neumann: expected a soft condition .write `ansatz` by hand., got hard"),
        (lambda: Periodic("x", hard=True), "Periodic: expected a soft condition"),
        (lambda: Robin("x", 0.0, 0.0), "robin: expected a or b other than 0"),
        (lambda: Dirichlet("x", weight=0.0), "weight: expected a finite number > 0, got 0.0"),
        (lambda: Dirichlet("x", share=-1), "share: expected a finite number > 0, got -1"),
    ],
)
def test_wrong_arguments_of_conditions_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_values_that_disagree_at_a_corner_are_a_warning():
    with pytest.warns(
        UserWarning, match=r"dirichlet_x_low, initial: .* got 0 and 1 at x = 0, t = 0.5: no smooth solution"
    ):
        problem(XT, Dirichlet("x", 0.0, side="low"), Initial(1.0)).terms()
    problem(XT, Dirichlet("x", 0.0), Initial(lambda x: np.sin(np.pi * x))).terms()  # warnings are errors


def test_a_warning_comes_once_and_points_at_the_users_line():
    torn = own(conditions=[Dirichlet("x", 0.0), Initial(1.0), Observed([[0.5, 0.5]], [0.5])])
    with pytest.warns(UserWarning, match="no smooth solution") as seen:
        bf.pde.solve(torn, points=8, max_steps=1)
        torn.terms()
    assert [one.filename for one in seen] == [__file__] * 2, "one of each corner"


def test_the_same_value_twice_is_no_contradiction():
    problem(XT, Dirichlet("x", lambda t: t), Dirichlet("x", lambda c: 1.0 * c.t, side="low")).terms()
    problem(XT, Dirichlet("x", 0.0), Neumann("x", 1.0)).terms()  # they prescribe different quantities
    problem(XT, Dirichlet("x", 1.0, output="a"), Dirichlet("x", 2.0, output="b"), outputs=("a", "b")).terms()


class Heat(bf.pde.Problem):
    """A heat equation with a source and an unknown coefficient, written as a user would."""

    domain, alpha = bf.pde.Box(x=(0, 1), t=(0, 1)), bf.pde.Unknown(0.1)

    def residual(self, u, c):
        return u.t - self.alpha * u.xx - c.source

    conditions = [bf.pde.Dirichlet("x", 0.0), bf.pde.Initial(lambda x: np.sin(np.pi * x))]
    fields = {"source": lambda x, t: (0.3 * np.pi**2 - 1.0) * np.exp(-t) * np.sin(np.pi * x)}
    truth = {"alpha": 0.3}


def test_a_pde_of_ones_own_in_ten_lines():
    """The solution exp(-t) sin(pi x) has residual 0 for the true alpha, and not for another."""
    own = Heat()

    def solution(c):
        return np.exp(-c.t) * np.sin(np.pi * c.x)

    assert all(value < 1e-14 for value in residuals_of(own, exact=solution).values())
    wrong = copy.copy(own)
    wrong.truth = {"alpha": 0.2}
    assert residuals_of(wrong, exact=solution)["residual"] > 0.1


def own(**more):
    return type("Own", (Heat,), more)()


ILL_POSED = [
    ({"residual": lambda self, u, c: u.y}, AttributeError, r"u.y: expected one or two of the coordinates x, t"),
    ({"residual": lambda self, u, c: u.t - c.y}, ValueError, "coordinate: expected one of x, t, got 'y'"),
    ({"residual": lambda self, u, c: np.zeros((2, 3)) * u.t}, ValueError, r"residual: expected one number per point"),
    (
        {"residual": lambda self, u, c: u.t[:2]},
        ValueError,
        r"residual: expected one number per point, .* got shape \(2,\)",
    ),
    ({"fields": {"source": lambda x: x * np.nan}}, ValueError, "field source: expected finite numbers, got nan"),
    ({"fields": {"source": lambda y: y}}, ValueError, "field source: expected a function of .* got the argument 'y'"),
    ({"fields": {"x": 1.0}}, ValueError, "fields: expected names that are neither coordinates nor reserved, got 'x'"),
    ({"fields": {}}, ValueError, "coordinate: expected one of x, t, got 'source'"),
    ({"residual": lambda self, u, c: (u.t - u.xx).mean()}, ValueError, r"expected one number per point.* shape \(\)"),
    (
        {"residual": lambda self, u, c: (u.t, 0.0)},
        ValueError,
        r"residual: expected one number per point, .* got shape \(\)",
    ),
    ({"residual": lambda self, u, c: None}, ValueError, "residual: expected one number per point, .* got None"),
    ({"residual": lambda self, u, c: [u.t, u.x]}, ValueError, r"from each equation of a tuple, got shape \(2, 3\)"),
    ({"conditions": Dirichlet("x", 0.0)}, TypeError, "conditions: expected a list or a tuple of .*, got Dirichlet"),
    ({"conditions": [("x", 0.0)]}, TypeError, r"conditions: expected conditions such as Dirichlet.*, got \('x', 0.0\)"),
    ({"outputs": "uv"}, ValueError, "outputs: expected different names, at least one, got 'uv'"),
    (
        {"outputs": ("a", "b"), "conditions": (), "residual": lambda self, u, c: u.x},
        AttributeError,
        "u.x: expected one of the outputs a, b, such as u.a",
    ),
    ({"domain": ((0, 1),)}, TypeError, r"Own.domain: expected a Box, such as Box\(x=\(0, 1\)\), got \(\(0, 1\),\)"),
    ({"domain": None}, TypeError, r"Own.domain: expected a Box, such as Box\(x=\(0, 1\)\), got None"),
    ({"outputs": ()}, ValueError, r"outputs: expected different names, at least one, got \(\)"),
    (
        {"ansatz": lambda self, f, c: c.x * f, "conditions": [Dirichlet("x", 0.0, "low", hard=True)]},
        ValueError,
        "ansatz: expected either one of your own or hard conditions, got both",
    ),
]


@pytest.mark.parametrize(("more", "error", "message"), ILL_POSED, ids=range(len(ILL_POSED)))
def test_ill_posed_problems(more, error, message):
    with pytest.raises(error, match=message):
        problem = own(**more)
        problem.terms()
        residuals_of(problem, exact=lambda c: c.x)


def test_unknown_has_a_first_guess():
    assert Heat().unknowns == {"alpha": 0.1} and isinstance(Heat.alpha, Unknown)
