"""Right answers whose terms vanish are no alarm: rounding is not divided by rounding. Wrong ones still are."""

import numpy as np
import pytest

from bpfree.pde import Box, Dirichlet, Initial, Neumann, Observed, Periodic, Problem, Unknown, solve

X, T, XY, XT = Box(x=(0, 1)), Box(t=(0, 1)), Box(x=(0, 1), y=(0, 1)), Box(x=(0, 1), t=(0, 1))
ENDS = Dirichlet("x", 0.0, "low"), Dirichlet("x", 1.0, "high")
WALLS = Dirichlet("y", 0.0, output="u"), Dirichlet("y", 0.0, output="v")


def make(domain, conditions, residual, exact, outputs=("u",), **more):
    """Return a problem with an exact solution, where residual(u, c, problem)."""
    given = {"domain": domain, "conditions": conditions, "outputs": outputs, **more}
    given |= {"residual": lambda self, u, c: residual(u, c, self), "exact": lambda self, c: exact(c)}
    return type("Own", (Problem,), given)()


def ones(c):
    return 1 + 0 * c.t


def stokes(u, c, problem):
    return u.u.x + u.v.y, u.u.laplacian() - u.p.x, u.v.laplacian() - u.p.y


def flow(u, c, problem):
    across = u.u * u.v.x + u.v * u.v.y - 0.1 * u.v.laplacian()
    return u.u.x + u.v.y, u.u * u.u.x + u.v * u.u.y - 0.1 * u.u.laplacian(), across


def laplace(u, c, problem):
    return u.laplacian()


INLET = Dirichlet("x", lambda y: 4 * y * (1 - y), "low", output="u"), Dirichlet("x", 0.0, "low", output="v")
OUTLET = [Neumann("x", 0.0, "high", output=one) for one in "uv"] + [Dirichlet("x", 0.0, "high", output="p")]
SHEAR = Dirichlet("y", 0.0, "low", output="u"), Dirichlet("y", 1.0, "high", output="u"), WALLS[1]

RIGHT = {
    "straight line": make(X, ENDS, lambda u, c, _: u.xx, lambda c: c.x),
    "straight line, hard": make(
        X, [Dirichlet("x", 0.0, "low", hard=True), Dirichlet("x", 1.0, "high", hard=True)],
        lambda u, c, _: u.xx, lambda c: c.x,
    ),
    "insulated plate": make(XY, [*ENDS, Neumann("y", 0.0)], laplace, lambda c: c.x),
    "poisson with an insulated side": make(
        XY, [Dirichlet("x", 0.0), Neumann("y", 0.0)], lambda u, c, _: u.laplacian() + 1, lambda c: c.x * (1 - c.x) / 2
    ),
    "heat at 1": make(XT, [Dirichlet("x", 1.0), Initial(1.0)], lambda u, c, _: u.t - u.xx, ones),
    "heat at 20": make(XT, [Neumann("x", 0.0), Initial(20.0)], lambda u, c, _: u.t - u.xx, lambda c: 20 * ones(c)),
    "homogeneous reaction": make(
        Box(x=(0, 1), t=(0, 3)), [Neumann("x", 0.0), Initial(0.1)], lambda u, c, _: u.t - 0.1 * u.xx - u * (1 - u),
        lambda c: 0.1 * np.exp(c.t) / (1 + 0.1 * np.expm1(c.t)),
    ),
    "the same all around": make(
        XT, [Periodic("x"), Initial(1.0)], lambda u, c, _: u.t + u.x + u, lambda c: np.exp(-c.t)
    ),
    "advected constant": make(XT, [Dirichlet("x", 1.0, "low"), Initial(1.0)], lambda u, c, _: u.t + u.x, ones),
    "rate that is almost 0": make(
        T, [Initial(1.0), Observed([[0.5]], [np.exp(-0.5e-9)])], lambda u, c, problem: u.t + problem.k * u, ones,
        k=Unknown(0.5),
    ),
}  # fmt: skip
SYSTEMS = {
    "one of two is 0": make(
        T, [Initial(1.0, output="a"), Initial(0.0, output="b")], lambda u, c, _: (u.a.t + u.a, u.b.t + u.b),
        lambda c: (np.exp(-c.t), 0 * c.t), ("a", "b"),
    ),
    "channel": make(
        Box(x=(0, 2), y=(0, 1)), [*WALLS, *INLET, *OUTLET], stokes,
        lambda c: (4 * c.y * (1 - c.y), 0 * c.y, 8 * (2 - c.x)), ("u", "v", "p"),
    ),
    "shear": make(
        XY, [*SHEAR, Periodic("x", output="u"), Periodic("x", output="v")], flow,
        lambda c: (c.y, 0 * c.y), ("u", "v"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("problem", [*RIGHT.values(), *SYSTEMS.values()], ids=[*RIGHT, *SYSTEMS])
def test_a_right_answer_whose_terms_vanish_is_no_alarm(problem):
    solution = solve(problem, points=150, max_steps=50)
    assert solution.error() < 1e-3
    assert solution.outcome == "done"


def test_the_zero_solution_is_no_alarm():
    problem = make(XY, [Dirichlet("x", 0.0), Dirichlet("y", 0.0)], lambda u, c, _: u.laplacian() + u, lambda c: 0 * c.x)
    solution = solve(problem, points=150, max_steps=50)
    assert solution.error("max") < 1e-4 and solution.outcome == "done"


def test_a_right_answer_is_no_alarm_in_metres_and_kelvin():
    """The floor is in the units of u and of the coordinates."""
    domain, ends = Box(x=(0, 2e-6)), [Dirichlet("x", 300.0, "low"), Dirichlet("x", 320.0, "high")]
    problem = make(domain, ends, lambda u, c, _: u.xx, lambda c: 300 + 1e7 * c.x)
    solution = solve(problem, points=64, max_steps=50)
    assert solution.error() < 1e-6 and solution.outcome == "done"


@pytest.mark.parametrize("name", ["straight line", "insulated plate", "heat at 1", "heat at 20"])
def test_a_wrong_answer_whose_terms_ought_to_vanish_is_an_alarm(name):
    solution = solve(RIGHT[name], points=150, max_steps=1)
    assert solution.error() > 0.02 and solution.outcome != "done"
