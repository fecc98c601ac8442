"""Missing conditions, unknowns without data and ill-posed pairs are said before and after a solve; nothing else is."""

import warnings

import numpy as np
import pytest

import bpfree as bf
from bpfree.pde import Box, Dirichlet, Initial, Neumann, Observed, Periodic, Problem, Robin, Terminal, Unknown, solve
from bpfree.pde.missing_conditions import missing_conditions
from bpfree.pde.residuals import TermRows

XT, XY, T, R = Box(x=(0, 1), t=(0, 1)), Box(x=(0, 1), y=(0, 1)), Box(t=(0, 1)), Box(r=(0, 1))


def make(domain, residual, *conditions, outputs=("u",), **more):
    def method(self, u, c):
        return residual(u, c) if not more else residual(u, c, self)

    given = {"domain": domain, "residual": method, "conditions": conditions, "outputs": outputs, **more}
    return type("Own", (Problem,), given)()


def missing_in(problem):
    term = problem.terms()[0]
    return missing_conditions(problem, TermRows(problem, term, term.sample(4, "sobol", 0), np.dtype(float)))


def heat(u, c):
    return u.t - 0.01 * u.xx


def backward(u, c):
    return u.t + 0.5 * c.x**2 * u.xx


def laplace(u, c):
    return u.laplacian()


def wave(u, c):
    return u.tt - 9 * u.xx


def polar(u, c):
    return u.rr + u.r / c.r + 1


def decay(u, c, problem):
    return u.t + problem.k * u


def system(u, c):
    return u.p.t - u.v, u.v.t + u.p


RIGHT = {
    "heat": make(XT, heat, Dirichlet("x"), Initial(0.0)),
    "heat, hard": make(XT, heat, Dirichlet("x", hard=True), Initial(0.0, hard=True)),
    "heat, insulated": make(XT, heat, Neumann("x"), Initial(0.0)),
    "heat, each end its own": make(XT, heat, Robin("x", 1.0, 2.0, side="low"), Dirichlet("x", side="high"), Initial(0)),
    "heat on a ring": make(XT, heat, Periodic("x"), Initial(0.0)),
    "heat all the time the same": make(XT, heat, Dirichlet("x"), Periodic("t", derivative=False)),
    "an option": make(XT, backward, Dirichlet("x", side="high"), Terminal(0.0)),  # x^2 is 0 at the low end
    "laplace": make(XY, laplace, Dirichlet("x"), Dirichlet("y")),
    "laplace, one value": make(XY, laplace, Neumann("x"), Dirichlet("y")),
    "shifted laplace": make(XY, lambda u, c: u.laplacian() - u, Neumann("x"), Neumann("y")),
    "wave": make(XT, wave, Dirichlet("x"), Initial(0.0, velocity=1.0)),
    "flow": make(XT, lambda u, c: u.t + u.x, Initial(0.0)),
    "ode": make(T, lambda u, c: u.t - u, Initial(1.0)),
    "ode between two ends": make(T, lambda u, c: u.tt + u, Initial(1.0), Terminal(0.0)),
    "ode, singular": make(T, lambda u, c: c.t * u.t - u.value),
    "middle of a disk": make(R, polar, Dirichlet("r", side="high")),
    "middle of a disk, multiplied": make(R, lambda u, c: c.r * u.rr + u.r + c.r, Dirichlet("r", side="high")),
    "system": make(T, system, Initial(1.0, output="p"), Initial(0.0, output="v"), outputs=("p", "v")),
    "two of one kind": make(
        T, lambda u, c: (u.p.t + u.v.t + u.p, u.p - 2 * u.v), Initial(1.0, output="p"), outputs=("p", "v")
    ),
    "channel": make(
        XY,
        lambda u, c: (u.u.laplacian() - u.p.x, u.v.laplacian() - u.p.y, u.u.x + u.v.y),
        *(Dirichlet("x", output=one, side="low") for one in "uv"), Dirichlet("x", output="p", side="high"),
        *(Dirichlet("y", output=one) for one in "uv"), outputs=("u", "v", "p"),
    ),
    "unknown, both ends": make(T, decay, Initial(1.0), Terminal(0.5), k=Unknown(0.3)),
    "unknown, measured": make(T, decay, Initial(1.0), Observed([[0.5]], [0.5]), k=Unknown(0.3)),
    "measured instead": make(XT, heat, Dirichlet("x"), Observed([[0.5, 0.5]], [0.5])),
    **{type(one).__name__ + str(one.domain.dim): one for one in (
        bf.pde.Poisson(), bf.pde.Poisson(dim=1), bf.pde.Heat(), bf.pde.Heat(dim=3), bf.pde.Burgers(), bf.pde.Darcy(),
        bf.pde.BlackScholes(), bf.pde.HJBLIN(dim=3), bf.pde.HJBLQG(dim=3), bf.pde.Helmholtz(), bf.pde.InverseHeat(),
        bf.pde.AllenCahn("dirichlet"), bf.pde.Acoustics(),
    )},
    "AllenCahn, periodic": bf.pde.AllenCahn("periodic"),
}  # fmt: skip

MISSING = "underdetermined"
WRONG = {
    "no ends": (make(XT, heat, Initial(0.0)), MISSING, "of x: expected 2, .* got 0: .* at the low and the high end"),
    "one end": (make(XT, heat, Initial(0.0), Dirichlet("x", side="low")), MISSING, "of x: .* add one at the high end"),
    "no start": (make(XT, heat, Dirichlet("x")), MISSING, "of t: expected 1, .* got 0: .* add Initial or Terminal"),
    "no velocity": (make(XT, wave, Dirichlet("x"), Initial(0.0)), MISSING, "of t: .* add Initial with a velocity"),
    "nothing": (make(T, lambda u, c: u.t - u), MISSING, "conditions of t: expected 1"),
    "half a system": (make(T, system, Initial(1.0, output="p"), outputs=("p", "v")), MISSING, "of t: expected 2, .* 1"),
    "no outlet": (
        make(
            XY,
            lambda u, c: (u.u.laplacian() - u.p.x, u.v.laplacian() - u.p.y, u.u.x + u.v.y),
            *(Dirichlet("x", output=one, side="low") for one in "uv"), *(Dirichlet("y", output=one) for one in "uv"),
            outputs=("u", "v", "p"),
        ),
        MISSING, "of x: expected 4, .* got 2: .* add one at the high end",
    ),
    "a ring": (make(Box(r=(0.1, 1)), polar, Dirichlet("r", side="high")), MISSING, "of r: .* add one at the low end"),
    "no value": (make(XY, laplace, Neumann("x"), Neumann("y")), MISSING, r"about the value of u, .* u \+ 1 is"),
    "no data": (make(T, decay, Initial(1.0), k=Unknown(0.3)), MISSING, "k: expected data to find unknowns by"),
    "unused": (
        make(T, lambda u, c, problem: u.t + u, Initial(1.0), Observed([[0.5]], [0.5]), k=Unknown(0.3)),
        MISSING, "k: expected an unknown that the equations use",
    ),
    "heat backwards": (make(XT, heat, Dirichlet("x"), Terminal(0.0)), "ill_posed", "expected Initial, .* got Terminal"),
    "forwards": (make(XT, backward, Dirichlet("x"), Initial(0.0)), "ill_posed", "expected Terminal, .* got Initial"),
    "from one side": (
        make(XY, laplace, Dirichlet("x"), Dirichlet("y", side="low"), Neumann("y", side="low")),
        "ill_posed", "expected one condition at each end of y, as the equation is elliptic, got all at one end",
    ),
    "wave between": (
        make(XT, wave, Dirichlet("x"), Initial(0.0), Terminal(0.0)), "ill_posed", "expected Initial with a velocity",
    ),
}  # fmt: skip


@pytest.mark.parametrize("problem", RIGHT.values(), ids=RIGHT.keys())
def test_a_problem_that_is_well_posed_is_no_alarm(problem):
    assert missing_in(problem) is None


@pytest.mark.parametrize(("problem", "code", "text"), WRONG.values(), ids=WRONG.keys())
def test_what_is_missing_or_ill_posed_is_said_before_and_is_the_outcome(problem, code, text):
    with pytest.warns(UserWarning, match=text):
        solution = solve(problem, points=10, max_steps=1)
    assert solution.outcome_code == code and solution.outcome.startswith(f"{code}: ")
    assert solution.outcome.endswith("(the solve ended with done)")


def test_heat_without_ends_had_a_tiny_loss_a_wrong_answer_and_no_word():
    class Rod(Problem):
        domain, conditions, points = XT, [Initial(lambda x: np.sin(np.pi * x), hard=True)], 100

        def residual(self, u, c):
            return u.t - u.xx

        def exact(self, c):
            return np.sin(np.pi * c.x) * np.exp(-(np.pi**2) * c.t)

    with pytest.warns(UserWarning, match="conditions of x: expected 2"):
        solution = solve(Rod(), max_steps=60)
    assert solution.history.losses[-1] < 1e-6 and solution.error() > 0.1
    assert solution.outcome_code == "underdetermined"


def test_other_terms_and_an_ansatz_of_ones_own_are_not_judged():
    class Own(Problem):
        domain = XT

        def residual(self, u, c):
            return heat(u, c)

        def ansatz(self, f, c):
            return c.x * (1 - c.x) * c.t * f

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert solve(Own(), points=10, max_steps=1).outcome_code == "done"
