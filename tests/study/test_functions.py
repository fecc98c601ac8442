"""calibrate() of functions: the first look of minimize, its noise and lengths against what is known of the function."""

import numpy as np
import pytest
from scipy import optimize

import bpfree as bf
from bpfree.bench.minimize_cases import CASES

ZEROS = np.zeros(20)


def bowl(theta):
    return float(((theta - 1) ** 2).sum())


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_nothing_depends_on_the_scale_of_the_function(scale):
    look, plain = (bf.calibrate(lambda theta, by=by: by * bowl(theta), ZEROS) for by in (scale, 1.0))
    assert (look.estimator, look.update, look.lr, look.length) == (plain.estimator, plain.update, 0.4, 0.8)
    assert look.loss == 20 * scale and look.noise == 0 and look.slope == pytest.approx(2 * scale)


@pytest.mark.parametrize("far", [1e-3, 1.0, 1e3])
def test_steps_go_as_far_as_the_function_says(far):
    """Of 0.2 times powers of two the one nearest to `far`, by the loss; lr between half and 16 times that, near 0.2."""
    look = bf.calibrate(lambda theta: bowl(theta / far), ZEROS)
    lengths = 0.2 * 2.0 ** np.arange(-20, 20)
    assert look.length == lengths[np.argmin(np.abs(lengths / far - 1))]
    assert look.lr == np.clip(0.2, look.length / 2, 16 * look.length)
    theta, _ = bf.minimize(lambda theta: bowl(theta / far), ZEROS, max_evaluations=20_000)
    assert bowl(theta / far) < 1e-6 * 20


@pytest.mark.parametrize("noise", [0.01, 1.0])
def test_probes_stay_so_long_that_differences_stand_out_of_the_noise(noise):
    draw = np.random.default_rng(1)
    look = bf.calibrate(lambda theta: bowl(theta) + noise * draw.normal(), ZEROS)
    assert 0.2 * noise < look.noise < 3 * noise
    last = look.estimator.mu.end
    assert 2 * 2 * last > 5 * noise, "slopes are 2 at the start"
    assert bf.calibrate(bowl, ZEROS).estimator.mu.end < 1e-3


def test_the_estimator_follows_the_budget():
    kinds = {(20, 20_000): bf.CGE, (20, 2_000): bf.CGE, (20, 1_900): bf.RGE, (1000, 20_000): bf.RGE, (3, 100): bf.CGE}
    for (size, most), kind in kinds.items():
        assert type(bf.calibrate(bowl, np.zeros(size), max_evaluations=most).estimator) is kind, (size, most)
    assert bf.calibrate(bowl, np.zeros(1000), max_evaluations=20_000).estimator.n_queries == 16


UPDATES = [bf.SGD(), bf.Momentum(), bf.Adam(), bf.chain(bf.Normalize(), bf.SGD())]
FUNCTIONS = {"bowl": bowl, "rosenbrock": optimize.rosen, "turned": CASES["rotated-1e3"].make(7)[0]}


@pytest.mark.parametrize("update", UPDATES, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_an_update_that_is_given_gets_an_lr_that_does_not_explode(update, scale, function):
    scaled = lambda theta: scale * function(theta)
    look = bf.calibrate(scaled, ZEROS, update=update)
    theta, history = bf.minimize(scaled, ZEROS, estimator=look.estimator, update=look.update, max_evaluations=4_000)
    assert history.outcome_code in ("budget", "done") and history.best.loss < history.start
    assert max(history.losses[len(history.losses) // 2 :]) < 3 * history.start


def test_what_is_given_stays_and_schedules_keep_their_shape():
    estimator, update = bf.RGE(n_queries=8, mu=0.01), bf.SGD(bf.linear_decay(0.1, steps=10, end=0.01))
    look = bf.calibrate(bowl, ZEROS, estimator=estimator, update=update)
    assert look.estimator == estimator and look.update.lr.steps == 10
    assert look.update.lr.end == pytest.approx(look.update.lr.start / 10) and look.update.lr.start == look.lr


def test_calls_are_counted_and_told():
    calls = []
    look = bf.calibrate(lambda theta: calls.append(1) or bowl(theta), ZEROS, update=bf.SGD())
    assert look.evaluations == len(calls) < 120
    assert f"from {len(calls)} evaluations" in str(look) and "0.8 lowers the loss most" in str(look)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_function_without_finite_values_has_defaults_all_the_same(bad):
    look = bf.calibrate(lambda theta: bad, ZEROS)
    assert look.length is None and look.lr == 0.2 and "no length lowered the loss" in str(look)


WRONG = [
    (lambda: bf.calibrate(bowl, ["a"]), TypeError, "theta0: expected float32 or float64 numbers"),
    (lambda: bf.calibrate(bowl, ZEROS, max_evaluations=0), ValueError, "max_evaluations: expected a finite number > 0"),
    (lambda: bf.calibrate(bowl, ZEROS, batch_size=3, engine="exact"), TypeError, "batch_size, engine: expected none"),
    (lambda: bf.calibrate(bowl, ZEROS, estimator="rge"), TypeError, "estimator: expected one such as"),
    (lambda: bf.calibrate(bowl, ZEROS, update=3), TypeError, "updates: expected one of SGD"),
    (
        lambda: bf.calibrate(bowl, ZEROS, update=bf.WeightDecay(0.1)),
        ValueError,
        "update: expected one with a learning rate",
    ),
    (
        lambda: bf.calibrate(bf.Sequential(2, [bf.Linear(2)]), (np.eye(2), [0, 1]), max_evaluations=3),
        TypeError,
        "it is",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=range(len(WRONG)))
def test_wrong_use(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"loss": "mse"}, "loss"),
        ({"loss": "cross_entropy"}, "loss"),  # what a model has where nothing is said, which passed in silence
        ({"batch_size": 32, "engine": "exact"}, "batch_size, engine"),
    ],
)
def test_what_is_for_models_is_refused_with_a_function_whatever_its_value(settings, names):
    with pytest.raises(TypeError, match=f"^{names}: expected none with a function"):
        bf.calibrate(bowl, ZEROS, **settings)
