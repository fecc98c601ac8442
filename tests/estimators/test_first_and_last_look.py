"""minimize where its first and last look decide: noise above the loss, walls, tiny losses, sizes, standing still."""

import math

import numpy as np
import pytest

import bpfree as bf


def bowl(theta):
    return float(((theta - 1) ** 2).sum())


@pytest.mark.parametrize("seed", range(20))
def test_noise_above_the_loss_of_the_start_does_not_bring_the_start_back(seed):
    draw = np.random.default_rng(seed)
    theta, history = bf.minimize(
        lambda theta: bowl(theta) + 10 * draw.normal(), np.zeros(5), max_evaluations=4000, seed=seed
    )
    assert bowl(theta) < 0.1 and history.best.step > 0, "it was 5"
    assert 2 < history.noise < 30 and history.evaluations <= 4000


def test_with_an_update_of_ones_own_neither():
    kept = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        noisy = lambda theta, draw=draw: bowl(theta) + 10 * draw.normal()
        _, history = bf.minimize(noisy, np.zeros(5), estimator=bf.CGE(mu=1.0), update=bf.SGD(0.05), max_steps=100)
        kept += history.best.step > 0
    assert kept == 20


def test_a_start_that_is_better_beyond_the_noise_comes_back():
    draw = np.random.default_rng(0)
    noisy = lambda theta: bowl(theta) + 0.1 * draw.normal()
    theta, history = bf.minimize(noisy, np.ones(5), update=bf.SGD(1.01), max_steps=60)
    assert bowl(theta) < 0.1 < bowl(history.theta)


def inside(bad):
    return lambda theta: float(np.sum(theta - np.log(theta))) if (theta > 0).all() else bad


@pytest.mark.parametrize("bad", [math.inf, math.nan])
@pytest.mark.parametrize("start", [0.01, 0.1, 0.3, 0.5, 0.9, 3.0, 10.0])
def test_beside_a_wall_probes_are_shortened(start, bad):
    """The minimum is 1 in every parameter."""
    theta, history = bf.minimize(inside(bad), np.full(3, start), max_evaluations=2000)
    assert np.abs(theta - 1).max() < 1e-2 and history.outcome_code == "budget" and not history.advice
    look = bf.calibrate(inside(bad), np.full(3, start), max_evaluations=2000)
    assert look.estimator.mu.start < max(start, 0.9) and look.length is not None and not look.advice


def test_where_nothing_is_finite_the_advice_is_of_minimize():
    _, history = bf.minimize(lambda theta: math.inf, np.zeros(3), max_evaluations=1000)
    assert history.outcome_code == "nonfinite_loss" and "for 10 steps in a row" in history.outcome
    assert "tell" not in history.outcome and "lr" not in history.outcome and "finite at theta0" in history.advice
    assert history.summary().startswith(f"no steps, {history.evaluations} evaluations in ")


@pytest.mark.parametrize("scale", [1e-18, 1e-22, 1e-30])
def test_tiny_losses_are_minimised_like_others(scale):
    theta, history = bf.minimize(lambda theta: scale * bowl(theta), np.zeros(5), max_evaluations=2000)
    assert bowl(theta) < 1e-9 and not history.advice


@pytest.mark.parametrize(("scale", "dtype"), [(1e-40, np.float64), (1e-22, np.float32)])
def test_losses_that_are_too_small_say_so(scale, dtype):
    _, history = bf.minimize(lambda theta: scale * bowl(theta), np.zeros(5, dtype), max_evaluations=2000)
    assert f"too small for {np.dtype(dtype).name}: multiply the loss by 5e" in history.summary()


def test_parameters_that_differ_in_size_are_told():
    apart = lambda theta: float((theta[0] / 1e3 - 1) ** 2 + (theta[1] / 1e-3 - 1) ** 2)
    _, history = bf.minimize(apart, np.zeros(2), max_evaluations=4000)
    assert history.advice.startswith("parameters differ in size by 1e+06, ") and history.advice in history.summary()
    assert bf.calibrate(apart, np.zeros(2)).advice == history.advice
    sizes = np.array([1e3, 1e-3])
    theta, history = bf.minimize(lambda theta: apart(sizes * theta), np.zeros(2), max_evaluations=4000)
    assert apart(sizes * theta) < 1e-9 and not history.advice, "as advised"


def test_that_nothing_better_was_found_is_told():
    t = np.linspace(0, 1, 30)

    def fit(theta):
        with np.errstate(all="ignore"):
            return float(np.mean((theta[0] * np.exp(-t / theta[1]) - 300 * np.exp(-t / 0.2)) ** 2))

    _, history = bf.minimize(fit, [200.0, 0.5], max_evaluations=4000)
    assert history.best.step == 0 and "nothing better than the start was found: parameters differ" in history.summary()


def test_a_loss_that_fell_and_then_stands_is_stalled_which_is_no_failure():
    theta, history = bf.minimize(lambda theta: 1e6 + bowl(theta), np.zeros(5), max_evaluations=20_000)
    assert np.abs(theta - 1).max() < 1e-5 and history.outcome_code == "stalled"
    assert "the loss stands still at its lowest, 1e+06" in history.outcome
    _, history = bf.minimize(lambda theta: 1.0, np.zeros(5), max_evaluations=20_000)
    assert history.outcome_code == "mu_too_small"


def test_the_numbers_of_a_budget_agree():
    _, history = bf.minimize(bowl, np.zeros(20), max_evaluations=10)
    told = "1 went before the last look, for which 2 are kept, and a step needs 8"
    assert history.outcome == f"budget: max_evaluations=10: {told}" and history.evaluations == 1


def test_replies_that_the_first_look_lost_are_counted():
    calls = []

    def flaky(theta):
        calls.append(1)
        return np.nan if len(calls) <= 3 else bowl(theta)

    _, history = bf.minimize(flaky, np.zeros(5), max_evaluations=2000)
    assert history.lost == 3 and "3 replies were not finite" in history.summary()
