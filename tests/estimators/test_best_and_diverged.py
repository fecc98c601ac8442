"""What minimize returns, and when a run has diverged: the lines that were reported, in ask and tell too."""

import numpy as np
import pytest
from scipy import optimize

import bpfree as bf
from bpfree.estimators.step import FAILURES

ZEROS = np.zeros(20)
CONDITION = np.logspace(0, 3, 30)


def steep(theta):
    return 100 * float(((theta - 1) ** 2).sum())


def stretched(theta):
    return float(CONDITION @ (theta - 1) ** 2)


REPORTED = [(optimize.rosen, ZEROS), (steep, ZEROS), (stretched, np.full(30, 3.0))]


@pytest.mark.parametrize(("function", "start"), REPORTED, ids=["rosenbrock", "steep", "stretched"])
def test_defaults_minimise_what_used_to_explode(function, start):
    theta, history = bf.minimize(function, start, max_evaluations=20_000)
    assert function(theta) < 1e-3 * function(start) and history.outcome_code == "budget"


@pytest.mark.parametrize(("function", "start"), REPORTED, ids=["rosenbrock", "steep", "stretched"])
def test_an_update_that_makes_it_explode_ends_as_diverged_with_the_best_theta(function, start):
    calls = []

    def counted(theta):
        calls.append(theta.copy())
        return function(theta)

    theta, history = bf.minimize(counted, start, update=bf.SGD(0.01), max_evaluations=20_000)
    assert history.outcome_code == "diverged" and "try a smaller lr" in history.outcome, history.outcome
    assert "larger mu" not in history.outcome and history.evaluations == len(calls) < 2_000
    assert history.losses[-1] > 1e3 * history.start == 1e3 * function(start)
    assert function(theta) <= function(start) and history.best.loss == function(theta)
    assert any(np.array_equal(theta, point) for point in calls), "evaluated itself"
    assert "best after step" in history.summary()


def test_ask_and_tell_says_so_too_and_has_the_best():
    ask = bf.RGE(n_queries=16).start(ZEROS, update=bf.SGD(0.01))
    means = []
    for points in ask:
        values = [optimize.rosen(point) for point in points]
        means.append((np.mean(values), ask.step, ask.theta))
        ask.tell(values)
    assert ask.outcome_code == "diverged" and "the loss has exploded, 19." in ask.outcome
    loss, step, theta = min(means, key=lambda row: row[0])
    assert ask.best.loss == loss and ask.best.step == step and np.array_equal(ask.best.theta, theta)
    with pytest.raises(ValueError, match="values: expected none, as the run has ended"):
        ask.tell(values)
    with pytest.raises(ValueError, match="read-only"):
        ask.best.theta[0] = 1.0


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_ask_and_tell_without_an_update_does_not_depend_on_the_scale_of_the_losses(scale):
    """Adam's steps: the same to rounding, where a fixed lr explodes or stands still."""

    def walked(by):
        ask = bf.RGE(n_queries=16).start(ZEROS, max_evaluations=10_000)
        for points in ask:
            ask.tell([by * optimize.rosen(point) for point in points])
        return ask

    ask, plain = walked(scale), walked(1.0)
    assert ask.outcome_code == "budget" and np.allclose(ask.theta, plain.theta, rtol=1e-4, atol=1e-6)
    assert optimize.rosen(ask.best.theta) < 19


def test_a_saved_run_diverges_where_it_would_have(tmp_path):
    def go_on(ask, until=None):
        for points in ask:
            if ask.step == until:
                break
            ask.tell([optimize.rosen(point) for point in points])
        return ask

    begin = lambda: bf.RGE(n_queries=16).start(ZEROS, update=bf.SGD(0.01))
    whole = go_on(begin())
    go_on(begin(), 11).save(tmp_path / "run.npz")
    again = go_on(begin().restore(tmp_path / "run.npz"))
    assert (again.outcome, again.step) == (whole.outcome, whole.step) and again.best[:2] == whole.best[:2]


def test_standing_still_far_away_is_divergence_and_no_matter_of_mu():
    """A step so long that no probe changes the loss any more, which is higher than it was."""
    flat = lambda theta: float(np.tanh(theta**2).sum())
    _, history = bf.minimize(flat, np.full(3, 0.01), update=bf.SGD(1e6), max_steps=50)
    assert history.outcome_code == "diverged" and "larger mu" not in history.outcome
    assert "the loss has exploded, " in history.outcome and history.outcome_code in FAILURES


def flat_bottom(theta):
    """0 within 1 of 5, where the start is far less than 1 / 100 away from 0."""
    return float(np.maximum(0, abs(theta - 5) - 1).sum())


def test_a_flat_minimum_is_no_divergence_however_far_theta_went():
    """minimize found the exact minimum and said that the loss had exploded, 19.78 -> 0."""
    theta, history = bf.minimize(flat_bottom, np.full(3, 0.01), max_evaluations=4000)
    assert flat_bottom(theta) == history.best.loss == 0 and abs(theta).max() > 100 * 0.01
    assert history.outcome_code == "stalled" and history.outcome_code not in FAILURES
    assert "the loss stands still at its lowest, 0, " in history.outcome and "lr" not in history.outcome


@pytest.mark.parametrize("update", [None, bf.Adam(0.3), bf.SGD(0.1)], ids=repr)
def test_ask_and_tell_at_a_flat_minimum_too_and_saved(tmp_path, update):
    begin = lambda: bf.RGE(n_queries=4).start(np.full(3, 0.01), update=update, max_steps=3000)
    ask = begin()
    for points in ask:
        ask.tell([flat_bottom(point) for point in points])
    assert ask.outcome_code == "stalled" and ask.best.loss == 0 and "try" not in ask.outcome, ask.outcome
    ask.save(tmp_path / "run.npz")
    assert begin().restore(tmp_path / "run.npz").outcome == ask.outcome


def test_a_place_that_is_flat_but_not_the_lowest_is_no_minimum():
    """From 9 over 1 to 4, where all is flat: mu is too small, and no lr is to blame."""
    told = iter([[9.0, 8.0], [1.0, 1.5], *[[4.0, 4.0]] * 10])
    ask = bf.RGE(n_queries=1).start(np.ones(2), update=bf.SGD(1e-3))
    for _ in ask:
        ask.tell(next(told))
    assert ask.outcome_code == "mu_too_small" and ask.best.loss == 1.25


def test_the_lowest_step_is_evaluated_again_and_the_last_one_too():
    """Steps beyond the minimum, each one farther: the start is best. Steps that halve the distance: the last is."""
    bowl = lambda theta: float(((theta - 1) ** 2).sum())
    theta, history = bf.minimize(bowl, np.zeros(2), estimator=bf.CGE(), update=bf.SGD(1.01), max_steps=5)
    assert np.array_equal(theta, np.zeros(2)) and history.best.step == 0 and history.best.loss == history.start == 2
    assert history.evaluations == 1 + 5 * 4 + 2, "the last theta, twice, as it may be noise; the start is known"
    theta, history = bf.minimize(bowl, np.zeros(2), estimator=bf.CGE(), update=bf.SGD(0.25), max_steps=5)
    assert history.best.step == 5 and np.array_equal(theta, history.theta) and history.best.loss == bowl(theta)


def test_noise_does_not_make_the_result_worse_than_the_start_by_more_than_the_noise():
    draw = np.random.default_rng(0)
    for seed in range(20):
        _, history = bf.minimize(
            lambda theta: float(draw.normal()), np.zeros(3), update=bf.SGD(1e-3), max_steps=3, seed=seed
        )
        assert history.best.loss <= history.start + 4


def test_a_loss_that_explodes_to_infinity_is_divergence_and_a_step_into_it_names_the_lr():
    def steep(theta):
        with np.errstate(over="ignore"):
            return float(np.exp(theta**2).sum())

    theta, history = bf.minimize(steep, np.ones(3), update=bf.SGD(3.0), max_evaluations=5000)
    assert history.outcome_code == "diverged" and "try a smaller lr" in history.outcome and not history.skipped
    assert np.array_equal(theta, np.ones(3))
    _, history = bf.minimize(steep, np.ones(3), update=bf.SGD(10.0), max_evaluations=5000)
    assert history.outcome_code == "nonfinite_loss" and "or a smaller lr" in history.outcome
