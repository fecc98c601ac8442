"""u is as large as slopes and sources make it, not only as conditions prescribe it: all such problems converge."""

import numpy as np
import pytest

from bpfree.pde import Box, Dirichlet, Initial, Neumann, Problem, Robin, solve
from bpfree.pde.units import units_of


def problem(domain, conditions, residual, exact):
    made = type("Made", (Problem,), {"domain": domain, "conditions": conditions, "points": 100})
    made.residual, made.exact = (lambda self, u, c: residual(u)), (lambda self, c: exact(c))
    return made()


def fall(velocity, g=9.8):
    conditions = (Initial(0.0, velocity=velocity),)
    return problem(Box(t=(0, 10)), conditions, lambda u: u.tt + g, lambda c: velocity * c.t - g / 2 * c.t**2)


def line(conditions, source, exact):
    return problem(Box(x=(0, 1)), conditions, lambda u: u.xx + source, exact)


RAW = {
    "a velocity of 1000": fall(1000.0),
    "a velocity of 50": fall(50.0),
    "a velocity of 1e5": fall(1e5),
    "a source over 10 s": fall(0.0),
    "a large source over 10 s": fall(0.0, 9.8e4),
    "a large flux": line([Neumann("x", 1e5, "high"), Dirichlet("x", 0.0, "low")], 0.0, lambda c: 1e5 * c.x),
    "a small flux": line([Neumann("x", 1e-5, "high"), Dirichlet("x", 0.0, "low")], 0.0, lambda c: 1e-5 * c.x),
    "values of Robin": line(
        [Neumann("x", 0.0, "low"), Robin("x", 10.0, 1.0, 3000.0, "high")], 1000.0, lambda c: 900 - 500 * c.x**2
    ),
    "a source of 400": line([Dirichlet("x", 0.0)], 400.0, lambda c: 200 * c.x * (1 - c.x)),
    "a source beside a value": line([Dirichlet("x", 20.0)], 1e6, lambda c: 20 + 5e5 * c.x * (1 - c.x)),
    "a source beside a tiny value": line([Dirichlet("x", 1e-6)], 1.0, lambda c: 1e-6 + c.x * (1 - c.x) / 2),
    "heat that leaves a warm wall": line(
        [Dirichlet("x", 300.0, "low"), Robin("x", 25.0, 160.0, 7250.0, "high")], 0.0, lambda c: 300 - 250 / 185 * c.x
    ),
}


@pytest.mark.parametrize("made", RAW.values(), ids=RAW)
def test_raw_slopes_and_sources_converge(made):
    assert solve(made, max_steps=80).error() < 1e-3


def spread(made):
    units = units_of(made)
    return 1.0 if units is None else units.spread[0]


def oscillator(stiffness):
    return problem(Box(t=(0, 10)), [Initial(0.0, velocity=1e3)], lambda u: u.tt + stiffness * u, None)


def test_a_velocity_lasts_until_the_other_terms_are_as_large():
    assert spread(oscillator(0.0)) == pytest.approx(1e4)
    assert spread(oscillator(100.0)) == pytest.approx(1e2, rel=0.1)  # the amplitude 1e3 / sqrt(100)


def test_robin_beside_a_wall_changes_u_by_what_its_flux_makes():
    units = units_of(RAW["heat that leaves a warm wall"])
    assert units.middle.tolist() == [300.0] and units.spread == pytest.approx([250 / 160])


@pytest.mark.parametrize(
    "made",
    [
        fall(3.0, 1.0),
        line([Neumann("x", 2.0, "high"), Dirichlet("x", 0.0, "low")], 20.0, None),
        line([Robin("x", 10.0, 1.0, 30.0)], 100.0, None),
        problem(Box(x=(0, 2)), [Dirichlet("x", lambda x: np.cos(x))], lambda u: u.xx + u.value, None),
    ],
)
def test_ordinary_slopes_and_sources_are_left_as_they_are(made):
    assert units_of(made) is None


def test_a_velocity_that_is_not_finite_is_named():
    with pytest.raises(ValueError, match=r"velocity of initial: expected finite numbers, got nan"):
        solve(fall(float("nan")), max_steps=1)
