# SPDX-License-Identifier: MIT
"""Residuals of exact solutions under every rule: the error of the rule, and how it falls with the step."""

import numpy as np
import pytest
from pde_exact import residuals_of

import bpfree as bf
from bpfree.pde import Differences, SparseGrid, Taylor

PROBLEMS = {
    "black_scholes": bf.pde.BlackScholes(),
    "poisson": bf.pde.Poisson(),
    "heat": bf.pde.Heat(dim=3),
    "helmholtz": bf.pde.Helmholtz(),
    "darcy": bf.pde.Darcy(),
    "hjb_lqg": bf.pde.HJBLQG(dim=4),
}


def floor(problem, rule, reach=0.6):
    """Return the rms of the equation at contracted test points, around which u is known."""
    points = problem.test_points(200)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    return residuals_of(problem, rule=rule, n=3, points={"residual": middle + reach * (points - middle)})["residual"]


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("rule", [lambda h: Differences(step=h), lambda h: SparseGrid(sigma=h)], ids=["cd", "sg"])
def test_floors_fall_with_the_square_of_the_step(name, rule):
    wide, narrow = (floor(PROBLEMS[name], rule(h)) for h in (0.02, 0.01))
    assert wide / narrow == pytest.approx(4.0, rel=0.05)
    assert floor(PROBLEMS[name], Taylor()) < 1e-5 * narrow


@pytest.mark.parametrize("name", PROBLEMS)
def test_order_four_and_richardson_fall_faster(name):
    for better, plain in [
        (Differences(order=4, step=0.01), Differences(step=0.01)),
        (SparseGrid(sigma=0.01, richardson=True), SparseGrid(sigma=0.01)),
    ]:
        assert floor(PROBLEMS[name], better) < 0.02 * floor(PROBLEMS[name], plain)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Differences(step=0.1), 3.0e-3),
        (Differences(step=0.01), 3.0e-5),
        (SparseGrid(sigma=0.1), 1.6e-2),
        (SparseGrid(sigma=0.01), 1.5e-4),
    ],
    ids=repr,
)
def test_floors_of_hjb_lqg_in_20_dimensions(rule, expected):
    """x ~ N(0, 1) and t is uniform in [0, 0.7], as wider rules need u beyond t. Most of the error is from u_ttt."""
    problem = bf.pde.HJBLQG()
    points = problem.test_points(400) * [*np.ones(20), 0.7]
    found = residuals_of(problem, rule=rule, n=3, points={"residual": points})["residual"]
    assert found == pytest.approx(expected, rel=0.2)


def test_waves_cancel_what_differences_do_wrong():
    """p_t and v_x of a travelling wave have the same error for every step."""
    assert floor(bf.pde.Acoustics(), Differences(step=0.05)) < 1e-12


def test_a_steep_wave_needs_a_step_that_is_small_beside_it():
    """The wave of Burgers is 0.01 wide, so a step of 0.02 does not resolve it, and the default step does."""
    problem = bf.pde.Burgers()
    assert floor(problem, Differences(step=0.02)) > 1.0 > 1e-2 > floor(problem, Differences())
