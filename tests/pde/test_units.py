"""Problems in raw units converge as their scaled twins do, with defaults; ordinary ones are left as they are."""

import numpy as np
import pytest

import bpfree as bf
from bpfree.pde import Box, Dirichlet, Initial, Network, Normal, Observed, Problem, Unknown, solve
from bpfree.pde.choices import make_network
from bpfree.pde.twin import Twin
from bpfree.pde.units import units_of


def rod(length=1.0, time=1.0, low=0.0, rise=1.0, start=None, hard=False, offset=0.0):
    """Heat in a rod, in any units: u = low + rise sin(pi s) exp(-0.1 pi^2 t / time), s = (x - offset) / length."""
    speed = 0.1 * length**2 / time

    def share(x):
        return np.sin(np.pi * ((x - offset) / length))

    def exact(x, t):
        return low + rise * share(x) * np.exp(-0.1 * np.pi**2 * t / time)

    class Rod(Problem):
        domain, points = Box(x=(offset, offset + length), t=(0, time)), 100
        conditions = [Dirichlet("x", low, hard=hard), Initial(lambda x: low + rise * share(x), hard=hard)]

        def residual(self, u, c):
            return u.t - (speed if start is None else self.speed) * u.xx

        def exact(self, c):
            return exact(c.x, c.t)

    if start is not None:
        x, t = np.random.default_rng(0).random((2, 30)) * [[length], [time]]
        Rod.speed = Unknown(start * speed)
        Rod.speed.__set_name__(Rod, "speed")
        Rod.conditions = [*Rod.conditions, Observed(np.stack([x, t], axis=1), exact(x, t))]
        Rod.truth = {"speed": speed}
    return Rod()


def error_of(solution, rise):
    """The error relative to how much u varies: 300 K more are no excuse."""
    points = solution.test_points[:2000]
    off = solution.predict(points) - solution.asked.reference(points)
    return np.sqrt((off**2).mean()) / rise


RAW = {
    "micrometres": {"length": 1e-6},
    "thousands of seconds": {"time": 1e3},
    "kelvin": {"low": 300.0, "rise": 100.0},
    "tiny u": {"rise": 1e-6},
    "huge u": {"rise": 1e6},
    "all, hard": {"length": 1e-6, "time": 1e3, "low": 300.0, "rise": 100.0, "hard": True},
    "all": {"length": 1e-6, "time": 1e3, "low": 300.0, "rise": 100.0},
    "far from 0": {"offset": 1e4},
}


@pytest.mark.parametrize("units", RAW.values(), ids=RAW)
def test_raw_units_converge_with_defaults(units):
    solution = solve(rod(**units), max_steps=60)
    assert error_of(solution, units.get("rise", 1.0)) < 2e-3


@pytest.mark.parametrize(
    ("units", "start"),
    [({"length": 1e-2}, 3.0), ({"length": 1e3, "time": 1e3}, 0.3), ({"length": 1e-4, "low": 300.0, "rise": 50.0}, 3.0)],
    ids=["1e-5", "100", "1e-9"],
)
def test_unknowns_far_from_1_are_found(units, start):
    solution = solve(rod(**units, start=start), max_steps=60)
    assert solution.unknowns["speed"] == pytest.approx(solution.asked.truth["speed"], rel=1e-3)


@pytest.mark.parametrize("source", [1e6, 1e-6])
def test_a_source_says_how_large_u_is_where_conditions_are_0(source):
    class Plate(Problem):
        domain, conditions, points = Box(x=(0, 1)), [Dirichlet("x", 0.0)], 64

        def residual(self, u, c):
            return u.xx + source * np.pi**2 * np.sin(np.pi * c.x)

        def exact(self, c):
            return source * np.sin(np.pi * c.x)

    solution = solve(Plate(), max_steps=60)
    assert solution.error() < 1e-4 and solution.outcome == "done"


def test_a_small_source_beside_other_values_is_no_unit():
    class Plate(Problem):
        domain, conditions = Box(x=(0, 1)), [Dirichlet("x", 1.0)]

        def residual(self, u, c):
            return u.xx + 1e-6

    assert units_of(Plate()) is None


def test_a_decay_over_a_thousand_seconds():
    class Decay(Problem):
        domain, conditions, points = Box(t=(0, 1e3)), [Initial(1e-6)], 64

        def residual(self, u, c):
            return u.t + 2e-3 * u

        def exact(self, c):
            return 1e-6 * np.exp(-2e-3 * c.t)

    assert solve(Decay(), max_steps=60).error() < 1e-5


LIBRARY = [
    bf.pde.Poisson(), bf.pde.Heat(), bf.pde.Burgers(), bf.pde.Darcy(), bf.pde.BlackScholes(), bf.pde.HJBLIN(),
    bf.pde.HJBLQG(), bf.pde.Helmholtz(), bf.pde.InverseHeat(), bf.pde.AllenCahn("periodic"), bf.pde.Acoustics(), rod(),
]  # fmt: skip


@pytest.mark.parametrize("problem", LIBRARY, ids=lambda problem: problem.name)
def test_ordinary_problems_are_left_as_they_are(problem):
    network = make_network(problem, problem.network(), None)
    twin = Twin(problem, network, given=False)
    assert units_of(problem) is None and twin.problem is problem and twin.network is network


def test_a_small_start_of_one_of_several_outputs_is_no_unit():
    class Epidemic(Problem):
        domain, outputs = Box(t=(0, 1)), ("s", "i")
        conditions = [Initial(1.0, output="s"), Initial(1e-4, output="i")]

        def residual(self, u, c):
            return u.s.t + u.s * u.i, u.i.t - u.s * u.i

    assert units_of(Epidemic()) is None


def twin_of(problem, given=True):
    return Twin(problem, make_network(problem, problem.network(), None), given)


@pytest.mark.parametrize("hard", [False, True])
def test_the_returned_parameters_are_the_same_function_in_raw_units(hard):
    problem = rod(length=1e-6, time=1e3, low=300.0, rise=100.0, hard=hard, start=2.0)
    twin = twin_of(problem)
    inside = np.random.default_rng(0).normal(size=twin.network.graph.n_theta + 1)
    points = problem.test_points(50)
    f = twin.network.values(inside[:-1], points)
    raw = Network(twin.network.graph, twin.network.frozen).values(twin.leave(inside)[:-1], points)
    assert np.allclose(raw, twin.units.middle + twin.units.spread * f, rtol=1e-9)
    assert np.allclose(twin.enter(twin.leave(inside)), inside, rtol=1e-9)
    assert twin.problem.bind(inside[-1:]).speed == pytest.approx(problem.bind(twin.leave(inside)[-1:]).speed)


def test_a_solution_is_gone_on_with_where_it_was():
    problem = rod(length=1e-6, time=1e3, low=300.0, rise=100.0, hard=True)
    first = solve(problem, max_steps=30)
    again = solve(problem, first.model, max_steps=1)
    assert again.history.looks[0].loss < 1e-4 * first.history.looks[0].loss


def test_layers_that_cannot_be_scaled_are_a_warning():
    network = bf.Sequential(2, [bf.Tanh(), bf.Linear(8), bf.Tanh(), bf.Linear(1)])
    with pytest.warns(UserWarning, match="network: expected a first and a last layer Linear .* by hand"):
        solve(rod(length=1e-6), network, points=10, max_steps=1)


def test_sizes_of_equations_are_those_of_their_terms():
    class Cube(Problem):
        domain = Box(x=(0, 2e-3, 3))
        conditions = [Dirichlet("x", 0.5)]

        def residual(self, u, c):
            return u.laplacian() + 1e-3 * u.grad_square()

    assert units_of(Cube()).rows["residual"] == pytest.approx([3e6], rel=0.3)  # 3 u / (1e-3)^2


def test_units_are_those_of_the_problem():
    class Two(Problem):
        domain, outputs = Box(x=(0, 5e-6), y=Normal(2, 1e3), t=(0, 1)), ("p", "v")
        conditions = [Initial(1e5, output="p"), Dirichlet("x", 300.0, output="v"), Initial(400.0, output="v")]
        k, m = Unknown(-2e-5), Unknown(0.0)

        def residual(self, u, c):
            return u.p.t - self.k * u.v.x, 1e-3 * u.v.t + self.m * u.p.x

    with pytest.warns(UserWarning):
        units = units_of(Two())
    assert units.shift.tolist() == [2.5e-6, 0, 0, 0] and units.size.tolist() == [2.5e-6, 1e3, 1e3, 1]
    assert units.middle.tolist() == [0, 350] and units.spread.tolist() == [1e5, 50]
    assert units.unknowns.tolist() == [2e-5, 1.0]
    assert units.rows["residual"] == pytest.approx([1e5, 0.05], rel=0.5)


def test_a_problem_of_the_library_in_raw_units_is_scaled_like_one_of_ones_own():
    heat = bf.pde.Heat()
    heat.conditions = (bf.pde.Dirichlet("x", 0.0), bf.pde.Initial(lambda x: 1e4 * np.sin(np.pi * x)))
    assert units_of(heat) is not None
    points, solution = np.array([[0.5, 0.1], [0.25, 0.2]]), solve(heat, points=200, max_steps=40)
    exact = 1e4 * np.exp(-heat.alpha * np.pi**2 * points[:, 1]) * np.sin(np.pi * points[:, 0])
    np.testing.assert_allclose(solution.predict(points)[:, 0], exact, rtol=1e-3)
