"""Conditions that contradict each other are named, where a solve fails; those that agree are no alarm."""

import re

import numpy as np
import pytest

import bpfree as bf
from bpfree.pde import Box, Dirichlet, Initial, Neumann, Observed, Periodic, Problem, Robin, Terminal, Unknown, solve
from bpfree.pde.missing_conditions import conditions_in_excess
from bpfree.pde.residuals import TermRows

EXCESS = "conditions of x: expected 1, as many as derivatives by x, got 2: they may contradict each other"


class Ramp(Problem):
    """u_x = 1 with a value at each end."""

    domain = Box(x=(0, 1))

    def __init__(self, high):
        self.conditions = [Dirichlet("x", 0.0, "low"), Dirichlet("x", high, "high")]

    def residual(self, u, c):
        return u.x - 1


def excess_of(problem):
    term = problem.terms()[0]
    return conditions_in_excess(problem, TermRows(problem, term, term.sample(4, "sobol", 0), np.dtype(float)))


@pytest.mark.parametrize(("points", "steps"), [(64, 100), (1200, 40)])
def test_conditions_that_contradict_each_other_are_overdetermined(points, steps):
    solution = solve(Ramp(5.0), points=points, max_steps=steps)
    assert solution.outcome_code == "overdetermined"
    assert EXCESS in solution.outcome and "more points" not in solution.outcome


def test_conditions_that_agree_are_no_alarm():
    solution = solve(Ramp(1.0), points=64, max_steps=40)
    assert solution.outcome == "done"


def test_a_solve_that_still_falls_is_unsolved_and_names_the_conditions_too():
    solution = solve(Ramp(5.0), points=64, max_steps=8)
    assert solution.outcome_code == "unsolved" and "try more steps" in solution.outcome and EXCESS in solution.outcome


def test_measurements_beside_conditions_are_no_alarm():
    class Measured(Ramp):
        """The ramp with values that say the same."""

        def __init__(self):
            self.conditions = [Dirichlet("x", 0.0, "low"), Observed([[0.3], [0.7]], [0.3, 0.7])]

    assert solve(Measured(), points=64, max_steps=40).outcome == "done" and excess_of(Measured()) == ""


class Flow(Problem):
    """u_t + u_x = 0 in both directions of x."""

    domain = Box(x=(0, 1), t=(0, 1))

    def __init__(self, *conditions):
        self.conditions = conditions

    def residual(self, u, c):
        return u.t + u.x


class Decay(Flow):
    """An unknown rate, which a condition more may tell."""

    domain, k = Box(t=(0, 1)), Unknown(0.3)

    def residual(self, u, c):
        return u.t + self.k * u


LIBRARY = [
    bf.pde.Poisson(), bf.pde.Poisson(dim=1), bf.pde.Heat(), bf.pde.Heat(dim=3), bf.pde.Burgers(), bf.pde.Darcy(),
    bf.pde.BlackScholes(), bf.pde.HJBLIN(dim=3), bf.pde.HJBLQG(dim=3), bf.pde.Helmholtz(), bf.pde.InverseHeat(),
    bf.pde.AllenCahn("dirichlet"), bf.pde.AllenCahn("periodic"), bf.pde.Acoustics(),
]  # fmt: skip
ENOUGH = [
    Flow(Dirichlet("x", 0.0, "low"), Initial(0.0)), Flow(Periodic("x"), Initial(0.0)),
    Decay(Initial(1.0), Terminal(0.5)),
]  # fmt: skip


@pytest.mark.parametrize("problem", LIBRARY + ENOUGH, ids=lambda one: one.name)
def test_as_many_conditions_as_derivatives_are_not_too_many(problem):
    assert excess_of(problem) == ""


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (Flow(Dirichlet("x", 0.0), Initial(0.0)), "of x: expected 1, .* got 2"),
        (Flow(Dirichlet("x", 0.0, "low"), Initial(0.0), Terminal(0.0)), "of t: expected 1, .* got 2"),
        (Flow(Dirichlet("x", 0.0, "low"), Robin("x", 1.0, 2.0, side="high"), Initial(0.0)), "of x: .* got 2"),
    ],
)
def test_what_is_too_much_is_counted(problem, expected):
    assert re.search(expected, excess_of(problem))


@pytest.mark.parametrize(("length", "height"), [(1.0, 1.0), (1e-6, 300.0)])
def test_contradictions_are_named_in_raw_units_too(length, height):
    class Rod(Problem):
        domain = Box(x=(0, length))
        conditions = [
            Dirichlet("x", height, "low"), Dirichlet("x", 2 * height, "high"), Neumann("x", 5 * height / length, "low"),
        ]  # fmt: skip

        def residual(self, u, c):
            return u.xx

    solution = solve(Rod(), points=64, max_steps=60)
    assert solution.outcome_code == "overdetermined" and "conditions of x: expected 2" in solution.outcome
