"""A solve that stalls at once says whether its Jacobian is wrong."""

import numpy as np
import pytest

import bpfree as bf


def wave(site, arithmetic, parameters, inputs):
    return arithmetic.sin(inputs[0])


def slope(site, arithmetic, x, y):
    return arithmetic.cos(x)


def wrong_slope(site, arithmetic, x, y):
    return -arithmetic.cos(x)


class Line(bf.pde.Problem):
    """u = 2 x, as a fit of values."""

    domain, points = bf.pde.Box(x=(0, 1)), 16

    def residual(self, u, c):
        return u - 2 * c.x


def solved(derivative, **settings):
    op = bf.elementwise_op("own_wave", wave, derivative)
    model = bf.Sequential(1, [bf.Linear(4), op, bf.Linear(1)], seed=1)
    return bf.pde.solve(Line(), model.train_only("linear1.*"), max_steps=200, **settings)


def test_a_wrong_derivative_is_said():
    solution = solved(wrong_slope)
    assert solution.outcome_code == "unsolved" and solution.steps < 5
    assert "(the solve ended with" in solution.outcome and "the loss no longer falls" in solution.outcome
    assert "the column of linear1." in solution.outcome and "in J is " in solution.outcome
    assert "check the derivatives of operations of your own, or take route='black_box'" in solution.outcome


@pytest.mark.parametrize("settings", [{}, {"method": bf.LevenbergMarquardt(route="black_box")}])
def test_a_right_derivative_is_not_doubted(settings):
    assert "off differences" not in solved(slope, **settings).outcome


def test_an_early_stall_at_the_solution_is_not_doubted():
    solution = bf.pde.solve(Line(), bf.Sequential(1, [bf.Linear(1)]), method=bf.LeastSquaresHead())
    assert solution.outcome_code == "stalled" and solution.steps < 5
    np.testing.assert_allclose(solution.predict([[0.5]]), 1.0, rtol=1e-12)
    assert "off differences" not in solution.outcome
