"""Ask and tell: closed forms, the bits of train(), late and wrong replies."""

import numpy as np
import pytest
from helpers import BLACK_BOX, CHAINS, floats, make_engine, probing, show
from quadratic import BEST, A, measured, quadratic, run
from update_oracles import UPDATE_SETTINGS

import bpfree as bf
from bpfree import rng
from bpfree.engines.batch import make_batch
from bpfree.engines.probes import AT_THETA


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("q", [1, 3])
def test_one_step_of_rge_is_the_closed_form(two_sided, q):
    """(L(+) - L(-)) / 2 mu = u.g exactly, one-sided u.g + mu/2 u.Au, for directions from the generator itself."""
    mu, lr, theta0 = 2.0**-6, 0.1, np.array([0.5, 0.25, -1.0])
    estimator = bf.RGE(n_queries=q, mu=mu, two_sided=two_sided)
    ask = run(estimator, theta0, update=bf.SGD(lr), seed=9, max_steps=1)
    gradient, g = np.zeros(3), A @ (theta0 - BEST)
    for query in range(q):
        u = rng.signs(9, 0, rng.address(rng.Domain.PROBE, query), 0, 3).astype(float)
        gradient += (u @ g + (0.0 if two_sided else mu / 2 * u @ A @ u)) * u / q
    assert np.allclose(ask.theta, theta0 - lr * gradient, rtol=0, atol=1e-12)


def test_cge_with_sgd_is_gradient_descent():
    """theta_k - x* = (I - lr A)^k (theta_0 - x*)."""
    ask = run(bf.CGE(mu=2.0**-6), update=bf.SGD(0.3), max_steps=25)
    expected = BEST + np.linalg.matrix_power(np.eye(3) - 0.3 * A, 25) @ -BEST
    assert np.allclose(ask.theta, expected, rtol=0, atol=1e-9)
    assert ask.evaluations == 25 * 6 and ask.outcome_code == ask.outcome == "done"


X, Y = floats(0, 12, 5), np.arange(12) % 4
EVERY_UPDATE = [*(settings for rows in UPDATE_SETTINGS.values() for settings in rows), *CHAINS]


def test_schedules_go_by_the_steps_told():
    """theta_{k+1} - x* = (I - lr_k A)(theta_k - x*) with lr_k on a line; each point is mu_k away."""
    lr, mu = bf.linear_decay(0.4, steps=8, end=0.1), bf.linear_decay(0.5, steps=4, end=0.125)
    radii = []

    def measure(ask, points):
        radii.append(float(np.abs(points - ask.theta).max()))
        return measured(ask, points)

    ask = run(bf.CGE(mu=mu), update=bf.SGD(lr), measure=measure, max_steps=10)
    away = -BEST
    for k in range(10):
        away = (np.eye(3) - (0.4 - 0.3 * min(k, 8) / 8) * A) @ away
    assert np.allclose(ask.theta, BEST + away, rtol=0, atol=1e-7)
    assert np.allclose(radii, [0.5 - 0.375 * min(k, 4) / 4 for k in range(10)], rtol=0, atol=1e-7)


def same_as_train(estimator, update, steps=4):
    """theta of train(), and of ask-and-tell fed with losses of the same minibatches at the points it asks for."""
    model = bf.Sequential(5, [bf.Linear(4, bias=False)], seed=2)
    engine = make_engine("exact")
    trained = bf.train(
        model, (X, Y), estimator=estimator, update=update, batch_size=6, max_steps=steps, seed=5, engine=engine
    )
    trainer, batch = trained.trainer, make_batch(model.graph, trained.trainer.loss, X, Y)
    ask = estimator.start(model.theta.reshape(4, 5), update=update, seed=5, max_steps=steps)
    for points in ask:
        samples = batch.take(trainer.indices(ask.step, len(batch)))
        rest = model.frozen, samples, trainer.loss, [AT_THETA]
        values = [engine.evaluate(model.graph, point.reshape(-1), *rest)[0][0] for point in points]
        ask.tell(values)
        assert ask.loss == trained.losses[ask.step - 1]
    assert ask.evaluations == trained.evaluations and ask.outcome == trained.outcome == "done"
    return trained.model.theta, ask.theta.reshape(-1)


@pytest.mark.parametrize("estimator", [one for one in BLACK_BOX if type(one) is not bf.CoordinateDescent], ids=show)
def test_the_bits_of_train_for_every_estimator(estimator):
    trained, told = same_as_train(estimator, bf.SGD(0.1))
    assert told.dtype == np.float32 and np.array_equal(trained.view(np.uint32), told.view(np.uint32))


@pytest.mark.parametrize("update", EVERY_UPDATE, ids=show)
def test_the_bits_of_train_for_every_update(update):
    trained, told = same_as_train(probing(update, bf.RGE(n_queries=2)), update)
    assert np.array_equal(trained.view(np.uint32), told.view(np.uint32))


@pytest.mark.parametrize("shape", [(), (3,), (1, 3), (3, 1, 1), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_precisions(shape, dtype):
    start = np.full(shape, 0.5, dtype)
    ask = bf.RGE(n_queries=2).start(start, update=bf.SGD(0.2), max_steps=30)
    for points in ask:
        assert points.shape == (4, *shape) and points.dtype == dtype
        ask.tell([float(((point - 1) ** 2).mean()) for point in points])
    assert ask.theta.shape == shape and ask.theta.dtype == dtype
    assert np.array_equal(start, np.full(shape, 0.5, dtype)) and np.isfinite(ask.loss)
    if dtype == np.float64 and shape:
        assert not np.array_equal(ask.theta, ask.theta.astype(np.float32)), "computed in double precision"


def test_whole_numbers_are_double_precision():
    assert bf.RGE().start([1, 2, 3]).theta.dtype == np.float64


def test_nothing_given_or_taken_is_written():
    theta0 = np.zeros(3)
    theta0.flags.writeable = False
    ask = bf.RGE(n_queries=2).start(theta0, max_steps=2)
    before = ask.theta
    with pytest.raises(ValueError, match="read-only"):
        before[0] = 1
    points = next(ask)
    again = next(ask)
    assert np.array_equal(points, again), "asking twice gives the same points"
    points[:] = 99
    assert np.array_equal(next(ask), again)
    values = measured(ask, again)
    ask.tell(values)
    assert np.array_equal(before, np.zeros(3)) and not np.array_equal(ask.theta, before)


def test_a_point_is_one_of_the_points():
    ask = bf.RGE(n_queries=3, two_sided=False).start(np.zeros((3, 1)), seed=1)
    points = ask.points()
    assert ask.n_probes == len(points) == 4 and np.array_equal(points[0], np.zeros((3, 1)))
    for k in range(4):
        assert np.array_equal(ask.point(k), points[k])


def test_losses_of_samples_are_told_apart_from_their_mean():
    """Differences sample by sample: losses near 1e8 whose mean would round the difference of 1e-3 away."""
    far = np.array([1e8, 0.0, -1e8])

    def measure(ask, points):
        return np.stack([far + quadratic(point) for point in points])

    single = run(measure=lambda ask, points: [quadratic(point) for point in points], max_steps=5)
    several = run(measure=measure, max_steps=5)
    assert np.abs(several.theta - single.theta).max() < 1e-4


def test_budgets():
    assert run(max_steps=3).step == 3
    ask = run(max_steps=None, max_evaluations=27)
    assert (ask.step, ask.evaluations, ask.outcome_code) == (3, 24, "budget")
    assert ask.outcome == "budget: max_evaluations=27, 24 are spent, and a step needs 8"
    ask = run(max_steps=None, max_evaluations=24)
    assert (ask.step, ask.evaluations) == (3, 24)
    assert run(max_steps=None, max_evaluations=7).step == 0
    both = run(max_steps=2, max_evaluations=1000)
    assert both.outcome_code == "done" and both.step == 2
    with pytest.raises(ValueError, match=r"values: expected none, as the run has ended \(done\)"):
        both.tell(np.zeros(8))
    endless = bf.RGE().start([0.0])
    for points in endless:
        endless.tell([float(point[0] ** 2 + point[0]) for point in points])
        if endless.step == 50:
            break
    assert endless.outcome_code == "running"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_step_of_which_nothing_is_left_moves_nothing_and_can_be_measured_again(bad):
    undisturbed = run(update=bf.Adam(0.1), max_steps=6)
    ask = bf.RGE(n_queries=4).start(np.zeros(3), update=bf.Adam(0.1), max_steps=6)
    for points in ask:
        ask.tell(np.full(8, bad) if ask.step == 3 else measured(ask, points))
    assert ask.step == 3 and ask.outcome_code == "nonfinite_loss" and np.isnan(ask.loss) and ask.lost == 8
    assert ask.outcome.startswith("step 3: losses are not finite at 8 of 8 points, first 0; nothing was updated")
    assert list(ask) == []
    theta = ask.theta
    ask.tell(measured(ask, ask.points()))
    assert ask.step == 4 and ask.outcome_code == "running" and not np.array_equal(ask.theta, theta)
    for points in ask:
        ask.tell(measured(ask, points))
    assert np.array_equal(ask.theta, undisturbed.theta)
    assert ask.evaluations == undisturbed.evaluations + 8


def test_differences_that_overflow():
    ask = bf.RGE().start(np.zeros(3, np.float32))
    ask.tell(np.array([3e38, -3e38], np.float32))
    assert ask.outcome_code == "nonfinite_loss" and "in their differences" in ask.outcome and ask.step == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_update_that_overflows_is_not_made(dtype):
    ask = bf.RGE(mu=1.0).start(np.zeros(3, dtype), update=bf.SGD(3e38))
    huge = np.finfo(dtype).max / 4
    ask.tell(np.array([huge, 0.0], dtype))
    assert ask.outcome_code == "overflow" and "smaller lr" in ask.outcome
    assert ask.step == 0 and np.array_equal(ask.theta, np.zeros(3))
    ask.tell([1e-39, 0.0])
    assert ask.step == 1


def test_no_difference_for_ten_steps():
    ask = run(measure=lambda ask, points: np.ones(len(points)), max_steps=100)
    assert ask.outcome_code == "mu_too_small" and ask.step == 10 and "larger mu" in ask.outcome
    nine = run(
        measure=lambda ask, points: measured(ask, points) if ask.step % 10 == 9 else np.ones(len(points)),
        max_steps=40,
    )
    assert nine.outcome == "done", "one difference in ten steps is enough"


def test_late_replies():
    ask = bf.RGE(n_queries=2).start(np.zeros(3))
    first = measured(ask, next(ask))
    ask.tell(first, step=0)
    theta = ask.theta
    for late in (0, 2):
        with pytest.raises(ValueError, match=f"step: expected losses of step 1, got those of step {late}: drop late"):
            ask.tell(first, step=late)
    assert ask.step == 1 and ask.evaluations == 4 and np.array_equal(ask.theta, theta)
    ask.tell(measured(ask, next(ask)), step=1)
    assert ask.step == 2


WRONG_VALUES = [
    (np.zeros(3), ValueError, r"values: expected shape \(4,\) or \(4, samples\), got \(3,\)"),
    (np.zeros((5, 2)), ValueError, r"got \(5, 2\)"),
    (np.zeros((4, 2, 2)), ValueError, r"got \(4, 2, 2\)"),
    (np.zeros((4, 0)), ValueError, r"got \(4, 0\)"),
    (1.0, ValueError, r"got \(\)"),
    ([1.0, None, 2.0, 3.0], TypeError, "expected real numbers, got object .*put NaN, or measure it again"),
    ([[1.0], [1.0, 2.0], [1.0], [1.0]], TypeError, "one length a row"),
    (np.zeros(4, complex), TypeError, "got complex128"),
    (["a"] * 4, TypeError, "got <U1"),
    (np.ma.masked_invalid([1.0, np.nan, 1.0, 1.0]), TypeError, "values: .* without a mask, got a masked array"),
    ([1.0, np.ma.masked, 1.0, 1.0], TypeError, "values: expected numbers without a mask, got a masked array"),
    ("1234", TypeError, "values: expected real numbers, got <U4"),
    (None, TypeError, "values: expected real numbers, got object"),
    ({"a": 1.0}, TypeError, "values: expected real numbers, got object"),
    (np.zeros(4, "M8[s]"), TypeError, "values: expected real numbers, got datetime64"),
    ([True] * 4, TypeError, "got bool"),
]


@pytest.mark.parametrize(("values", "error", "message"), WRONG_VALUES, ids=range(len(WRONG_VALUES)))
def test_wrong_replies_change_nothing(values, error, message):
    ask = bf.RGE(n_queries=2).start(np.zeros(3))
    points = next(ask)
    with pytest.raises(error, match=message):
        ask.tell(values)
    assert (ask.step, ask.evaluations, ask.outcome) == (0, 0, "running") and np.array_equal(next(ask), points)


WRONG_STARTS = [
    ({"theta0": []}, ValueError, r"theta0: expected at least one parameter, got shape \(0,\)"),
    ({"theta0": [np.nan]}, ValueError, "theta0: expected finite parameters"),
    ({"theta0": ["a"]}, TypeError, "theta0: expected float32 or float64 numbers, got dtype <U1"),
    ({"theta0": [1j]}, TypeError, "got dtype complex128"),
    ({"theta0": np.zeros(2, np.float16)}, TypeError, "got dtype float16"),
    ({"seed": -1}, ValueError, "seed: expected an integer in"),
    ({"update": "sgd"}, TypeError, "updates: expected one of SGD"),
    ({"update": bf.SGD}, TypeError, "updates: expected an object of settings, got the class SGD: call it"),
    ({"max_steps": 0}, ValueError, "max_steps: expected an integer >= 1, got 0"),
    ({"max_evaluations": 0}, ValueError, "max_evaluations: expected a finite number > 0, got 0"),
    ({"max_evaluations": "many"}, TypeError, "max_evaluations: expected a number > 0, got 'many'"),
]


@pytest.mark.parametrize(("changed", "error", "message"), WRONG_STARTS, ids=range(len(WRONG_STARTS)))
def test_wrong_starts(changed, error, message):
    with pytest.raises(error, match=message):
        bf.RGE().start(**{"theta0": np.zeros(3), **changed})
