"""minimize(): test functions with known minima, the bits of ask and tell, budgets, outcomes, wrong use."""

import numpy as np
import pytest
from helpers import floats, make_engine
from scipy import optimize

import bpfree as bf
from bpfree.engines.batch import make_batch
from bpfree.engines.probes import AT_THETA


def bowl(theta):
    return float(((theta - 1) ** 2).sum())


def test_quadratic_with_coordinates_is_gradient_descent():
    """theta_k = 1 - (1 - 2 lr)^k, every coordinate."""
    theta, history = bf.minimize(bowl, np.zeros((2, 2)), estimator=bf.CGE(), update=bf.SGD(0.1), max_steps=30)
    assert np.allclose(theta, 1 - 0.8**30, rtol=0, atol=1e-10)
    assert (history.steps, history.evaluations, history.outcome) == (30, 1 + 240 + 2, "done")  # the start, and the end
    assert history.losses[0] > history.losses[-1] and np.array_equal(history.theta, theta)


def test_one_step_on_rosenbrock_against_scipys_gradient():
    start = np.array([-1.2, 1.0, 0.7, 0.3])
    lr = 1e-5
    theta, _ = bf.minimize(optimize.rosen, start, estimator=bf.CGE(mu=1e-4), update=bf.SGD(lr), max_steps=1)
    assert np.allclose((start - theta) / lr, optimize.rosen_der(start), rtol=1e-6)


def beale(t):
    x, y = t
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def booth(t):
    x, y = t
    return (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2


def styblinski(t):
    return 0.5 * (t**4 - 16 * t**2 + 5 * t).sum()


FUNCTIONS = {
    "sphere": (lambda t: (t**2).sum(), np.full(10, 2.0)),
    "beale": (beale, np.array([1.0, 0.0])),
    "booth": (booth, np.array([0.0, 0.0])),
    "rosenbrock": (optimize.rosen, np.array([0.5, 0.5])),
    "styblinski-tang": (styblinski, np.array([-1.0, -1.0, -1.0])),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("estimator", [bf.RGE(n_queries=2, mu=1e-3), bf.CGE(mu=1e-3)], ids=["rge", "cge"])
def test_reaches_the_minimum_that_scipy_finds(name, estimator):
    function, start = FUNCTIONS[name]
    found = optimize.minimize(function, start, method="BFGS")
    assert found.fun < function(start) - 0.1
    theta, history = bf.minimize(function, start, estimator=estimator, update=bf.Adam(0.05), max_steps=800)
    assert function(theta) <= found.fun + 1e-2 * (function(start) - found.fun)
    assert history.outcome == "done" or "unless this is a minimum" in history.outcome


def test_noise_of_common_samples_cancels():
    """Per-sample losses with the same noise at every point: as good as without, where single numbers fail."""
    noise = np.random.default_rng(0).normal(size=50) * 1e6

    def samples(theta):
        return bowl(theta) + noise

    theta, _ = bf.minimize(samples, np.zeros(4), estimator=bf.CGE(), update=bf.SGD(0.2), max_steps=40)
    assert np.abs(theta - 1).max() < 1e-5


def test_the_bits_of_train():
    """One and the same problem through a network's losses: the order of samples of step k is that of train()."""
    x, y = floats(0, 12, 5), floats(1, 12, 3)
    model, engine = bf.Sequential(5, [bf.Linear(3, bias=False)], seed=2), make_engine("exact")
    settings = {"estimator": bf.RGE(n_queries=3), "update": bf.Adam(0.05), "max_steps": 7, "seed": 8}
    trained = bf.train(model, (x, y), loss="mse", batch_size=4, engine=engine, **settings)
    batch, calls = make_batch(model.graph, trained.trainer.loss, x, y), []

    def loss(theta):
        samples = batch.take(trained.trainer.indices(max(0, len(calls) - 1) // 6, 12))  # the first call is the start
        calls.append(1)
        (losses,), _ = engine.evaluate(model.graph, theta, model.frozen, samples, trained.trainer.loss, [AT_THETA])
        return losses

    theta, history = bf.minimize(loss, model.theta, **settings)
    assert theta.dtype == np.float32 and history.theta.tobytes() == trained.model.theta.tobytes()
    assert history.losses == trained.losses and history.evaluations == trained.evaluations + 3 == len(calls)


def test_precision_and_shape_stay():
    for dtype in (np.float32, np.float64):
        start = np.zeros((2, 3), dtype)
        theta, _ = bf.minimize(lambda t: float((t**2).sum() + t.sum()), start, max_steps=3)
        assert theta.dtype == dtype and theta.shape == (2, 3) and not start.any()
    theta, _ = bf.minimize(lambda t: float(t**2 + t), 3.0, max_steps=3)
    assert theta.shape == () and theta != 3.0


@pytest.mark.parametrize("most", [0.5, 1, 2, 3, 31, 34, 35, 66, 67, 100])
def test_never_more_calls_than_the_budget(most):
    """One at the start, 32 a step, two at the end: the best step's theta, where it is not the start, and the last."""
    calls = []
    settings = {"update": bf.SGD(0.01), "max_evaluations": most}
    _, history = bf.minimize(lambda t: calls.append(1) or bowl(t), np.zeros(3), **settings)
    steps = int(max(0, most - 3) // 32)
    assert history.steps == steps and history.outcome_code == "budget"
    assert len(calls) == history.evaluations == (most >= 1) + 32 * steps + min(steps, 2)


@pytest.mark.parametrize("most", [0.5, 1, 2, 3, 8, 50, 99, 100, 101, 150, 1000, 1234])
@pytest.mark.parametrize("size", [1, 3, 40])
def test_nor_by_default(most, size):
    calls = []
    _, history = bf.minimize(lambda t: calls.append(1) or bowl(t), np.zeros(size), max_evaluations=most)
    assert len(calls) == history.evaluations <= most and history.outcome_code == "budget"


def test_the_function_may_scribble_on_what_it_gets():
    def scribble(theta):
        value = bowl(theta)
        theta[:] = np.nan
        return value

    expected, _ = bf.minimize(bowl, np.zeros(3), max_steps=5)
    theta, _ = bf.minimize(scribble, np.zeros(3), max_steps=5)
    assert np.array_equal(theta, expected)
    theta[:] = 0  # the caller's own


def test_callbacks():
    seen = []

    def stop(step, history):
        seen.append((step, history.steps, history.evaluations, history.theta.copy()))
        return step < 3

    settings = {"update": bf.SGD(0.01), "max_steps": 9, "callbacks": [lambda step, history: None, stop]}
    theta, history = bf.minimize(bowl, np.zeros(3), **settings)
    assert [row[:3] for row in seen] == [(k, k + 1, 1 + 32 * (k + 1)) for k in range(4)]
    assert history.outcome_code == "callback" and history.outcome == "stopped by the callback after step 3"
    assert np.array_equal(theta, seen[-1][3]) and not np.array_equal(theta, seen[0][3])
    assert "4 steps, 131 evaluations" in history.summary() and history.outcome in history.summary()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numeric_failure_is_a_result(bad):
    """Ten steps of which nothing is left end a run; what it had found by then is returned."""

    def breaks(theta):
        breaks.calls += 1
        return bad if breaks.calls > 1 + 3 * 32 else bowl(theta)

    breaks.calls = 0
    settings = {"update": bf.SGD(0.01), "max_steps": 50}
    theta, history = bf.minimize(breaks, np.zeros(3), **settings)
    assert history.outcome_code == "nonfinite_loss" and "step 12: losses are not finite at 32 of 32" in history.outcome
    assert (
        history.steps == 3
        and history.lost == history.evaluations - 97
        and [step for step, _ in history.skipped] == list(range(3, 12))
    )
    walked = []
    settings = {**settings, "max_steps": 3, "callbacks": lambda step, history: walked.append(history.theta)}
    bf.minimize(bowl, np.zeros(3), **settings)
    assert np.array_equal(history.theta, walked[2]), "nothing moved any more"
    assert np.array_equal(theta, walked[1] if np.isnan(bad) else np.zeros(3)), "the lowest mean, if not infinite itself"

    theta, history = bf.minimize(lambda t: 1.0, np.zeros(3), max_steps=100)
    assert history.outcome_code == "mu_too_small" and history.steps == 10 and not theta.any()
    single = np.zeros(3, np.float32)
    with np.errstate(over="ignore"):
        theta, history = bf.minimize(lambda t: ((t - 1) ** 2).sum(), single, update=bf.SGD(1e30), max_steps=100)
    assert history.outcome_code in ("overflow", "nonfinite_loss") and np.isfinite(theta).all()
    theta, history = bf.minimize(lambda t: bad, np.zeros(3), max_steps=100)
    assert history.steps == 0 and "no steps" in history.summary() and not theta.any()
    assert history.outcome_code == "nonfinite_loss"


def test_an_error_of_the_function_is_the_callers():
    def fails(theta):
        raise RuntimeError("the oven is off")

    with pytest.raises(RuntimeError, match="the oven is off"):
        bf.minimize(fails, np.zeros(3), max_steps=1)


def test_progress_is_shown(capsys):
    bf.minimize(bowl, np.zeros(3), update=bf.SGD(0.01), max_steps=4, progress=True)
    shown = capsys.readouterr().err
    assert "minimising" in shown and "4/4" in shown and "129 evaluations" in shown
    bf.minimize(bowl, np.zeros(3), max_steps=4, progress=False)
    assert capsys.readouterr() == ("", "")


def lengths():
    """A different number of samples at every call."""
    calls = []
    return lambda theta: calls.append(1) or np.ones(1 + len(calls))


WRONG = [
    ({"loss_fn": 3}, r"loss_fn: expected a function of theta, got 3"),
    ({"max_steps": None}, r"max_evaluations, max_steps: expected at least one of them, got none"),
    ({"max_steps": 0}, r"max_steps: expected an integer >= 1, got 0"),
    ({"max_evaluations": -1}, r"max_evaluations: expected a finite number > 0, got -1"),
    ({"theta0": "a"}, r"theta0: expected float32 or float64 numbers"),
    ({"estimator": bf.RGE}, r"estimator: expected one such as RGE\(n_queries=16\), got <class"),
    ({"estimator": "rge"}, r"estimator: expected one such as RGE\(n_queries=16\), got 'rge'"),
    ({"update": 0.1}, r"updates: expected one of SGD"),
    ({"callbacks": 3}, r"callbacks: expected a function of \(step, history\) or a sequence of them, got 3"),
    ({"loss_fn": lambda t: None}, r"loss_fn: expected a real number or \(samples,\) of them, got object \(\)"),
    ({"loss_fn": lambda t: 1j}, r"got complex128 \(\)"),
    ({"loss_fn": lambda t: np.zeros((2, 2))}, r"got float64 \(2, 2\)"),
    ({"loss_fn": lambda t: []}, r"got float64 \(0,\)"),
    ({"loss_fn": lengths()}, r"loss_fn: expected losses of the same 2 samples at every call, or NaN .*, got 3"),
    ({"loss_fn": lambda t: np.ma.masked_invalid([1.0, np.nan])}, r"loss_fn: .* without a mask, got a masked"),
    ({"loss_fn": lambda t: "1"}, r"loss_fn: expected a real number or \(samples,\) of them, got <U1 \(\)"),
    ({"theta0": np.ma.masked_equal([1.0, 2.0], 2)}, r"theta0: expected numbers without a mask, got a masked array"),
]


@pytest.mark.parametrize(("changed", "message"), WRONG, ids=range(len(WRONG)))
def test_wrong_use(changed, message):
    settings = {"loss_fn": bowl, "theta0": np.zeros(3), "max_steps": 2, **changed}
    with pytest.raises((TypeError, ValueError), match=message):
        bf.minimize(settings.pop("loss_fn"), settings.pop("theta0"), **settings)
