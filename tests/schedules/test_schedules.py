"""Schedules: closed forms in float64, the same bits in C, the same runs on every engine and the device."""

import math

import numpy as np
import pytest
from helpers import ENGINES, SCHEDULE_SETTINGS, assert_same_bits, floats, make_engine, show

import bpfree as bf
from bpfree import native
from bpfree.estimators.rge import RGE
from bpfree.schedules import SCHEDULES
from bpfree.schedules.table import value_at

STEPS = [0, 1, 2, 3, 7, 9, 10, 11, 49, 50, 99, 100, 1000, 2**24, 2**24 + 1, 2**32 - 1]
EVERY = [settings for row in SCHEDULE_SETTINGS.values() for settings in row]


def closed_form(schedule, step):
    """Return the value by the formula of the docstring, in float64."""
    start, end, share = schedule.start, schedule.end, min(1.0, step / getattr(schedule, "steps", 1))
    value = {
        "CosineDecay": lambda: end + (start - end) * (1 + math.cos(math.pi * share)) / 2,
        "LinearDecay": lambda: start + (end - start) * share,
        "PowerDecay": lambda: max(start * (1 + step / (schedule.stability + 1)) ** -schedule.power, end),
        "ExponentialDecay": lambda: max(start * schedule.rate ** (step // schedule.every), end),
    }[type(schedule).__name__]()
    return value * min(1.0, (step + 1) / schedule.warmup) if schedule.warmup else value


@pytest.mark.parametrize("schedule", EVERY, ids=show)
def test_values_are_the_formula(schedule):
    for step in STEPS:
        # a power of n factors and the rounding of the rate each err by about n / 2^24 of the value
        times = step // schedule.every if hasattr(schedule, "every") else 1
        tolerance = 4e-7 * max(schedule.start, schedule.end) + 1e-7 * times * closed_form(schedule, step)
        assert schedule.value(step) == pytest.approx(closed_form(schedule, step), rel=0, abs=tolerance), step
        assert type(schedule.factor(step)) is np.float32


@pytest.mark.parametrize("schedule", EVERY, ids=show)
def test_the_same_bits_in_c(schedule):
    number = SCHEDULES.of(schedule).number
    for step in [*STEPS, *range(200)]:
        assert native.schedule_factor(number, schedule.settings, step) == schedule.factor(step), step


@pytest.mark.parametrize("power", [0.101, 0.5, 0.602, 1.0])
@pytest.mark.parametrize("stability", [0, 1, 100, 2**24])
def test_powers_of_the_steps_are_accurate(power, stability):
    """The error is relative to the value itself, over all possible steps."""
    schedule = bf.power_decay(1.0, power, stability=stability)
    steps = sorted({*STEPS, *(int(1.3**k) for k in range(84))})
    expected = [(1 + step / (stability + 1)) ** -power for step in steps]
    np.testing.assert_allclose([schedule.value(step) for step in steps], expected, rtol=1e-6)
    assert schedule.value(0) == 1 and schedule.least <= schedule.value(2**32 - 1) * (1 + 1e-6)
    assert all(np.diff([schedule.value(step) for step in steps]) <= 0)


@pytest.mark.parametrize(("a", "c", "stability"), [(0.16, 0.1, 0), (2.0, 1e-3, 100), (1e-3, 0.5, 2**20)])
def test_spalls_gains_are_those_of_the_papers(a, c, stability):
    """a_k = a / (A + k + 1)^0.602, c_k = c / (k + 1)^0.101, for k from 0."""
    lr, mu = bf.spall_gains(a, c, stability=stability)
    for k in STEPS:
        assert lr.value(k) == pytest.approx(a / (stability + k + 1) ** 0.602, rel=3e-6)
        assert mu.value(k) == pytest.approx(c / (k + 1) ** 0.101, rel=3e-6)


def test_spalls_gains_find_a_minimum_in_noise():
    """SPSA as published, with one pair of losses per step, ends far below the noise floor of a constant rate."""
    noise, best = np.random.default_rng(3), np.array([1.0, -1.0, 0.5])

    def loss(theta):
        return float(((theta - best) ** 2).sum() + 0.1 * noise.normal())

    lr, mu = bf.spall_gains(a=2.0, c=0.2, stability=50)
    errors = {}
    for name, rate in {"spall": lr, "constant": lr.start}.items():
        tails = []
        theta, _ = bf.minimize(
            loss, np.zeros(3), estimator=bf.RGE(mu=mu), update=bf.SGD(rate), max_steps=2000,
            callbacks=lambda step, history, seen=tails: seen.append(((history.theta - best) ** 2).sum()),
        )  # fmt: skip
        errors[name] = np.mean(tails[-300:])
    assert errors["spall"] < 0.3 * errors["constant"] and errors["spall"] < 0.03


def test_a_power_may_be_a_radius_without_an_end():
    assert value_at(bf.power_decay(0.1, 0.101), 2**32 - 1) > 0
    with pytest.raises(ValueError, match="mu: expected a schedule that stays above 0"):
        bf.RGE(mu=bf.power_decay(1e-35, 1.0))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("schedule", EVERY, ids=show)
def test_a_scheduled_rate_multiplies_the_step(engine, schedule):
    """theta - factor (lr g), computed here with every operation rounded once."""
    model = bf.Sequential(5, [bf.Linear(3)], seed=3)
    trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", RGE(2), bf.SGD(schedule), batch_size=4)
    for step in (0, 5, 60):
        record = floats(step, 1, 2)
        theta, _ = make_engine(engine).apply(trainer, model.theta, [], step, record)
        gradient = trainer.gradient(step, record)
        moved = schedule.factor(step) * (np.float32(schedule.start) * gradient)
        assert_same_bits(theta, model.theta - moved)


def test_probes_are_as_wide_as_the_schedule_says():
    graph = bf.Sequential(3, [bf.Linear(2)]).graph
    estimator = RGE(2, mu=bf.linear_decay(0.5, steps=4, end=0.125))
    for step, mu in enumerate([0.5, 0.40625, 0.3125, 0.21875, 0.125, 0.125]):
        assert [p.mu for p in estimator.ask(graph, 0, step)] == [mu, -mu] * 2
        values = np.array([[1.0], [0.0]] * 2, np.float32)
        assert estimator.tell(graph, 0, step, values).coefficients == pytest.approx(1 / (2 * mu * 2))


def staircase(start, steps, end):
    return bf.exponential_decay(start, 0.01, end=end)


@pytest.mark.parametrize("make", [bf.cosine_decay, bf.linear_decay, staircase])
@pytest.mark.parametrize("end", [1e-3, 1e-9, 1e-30])
def test_it_ends_at_its_end(make, end):
    """A radius that rounds to 0 would cause a division by 0."""
    schedule = make(1.0, 7, end=end)
    bf.RGE(mu=schedule)
    number = SCHEDULES.of(schedule).number
    assert schedule.value(100) == np.float32(end) == native.schedule_factor(number, schedule.settings, 100)


def test_one_schedule_a_chain():
    falling = bf.cosine_decay(0.1, steps=9)
    update = bf.chain(bf.WeightDecay(1e-3), bf.Momentum(falling), bf.SGD(0.5))
    assert update.schedule is falling and bf.SGD(0.1).schedule is None
    with pytest.raises(ValueError, match="a schedule multiplies the whole step, so one link may have one"):
        bf.chain(bf.Momentum(falling), bf.SGD(falling))


def test_a_falling_rate_settles():
    """With noise, a constant rate keeps jumping around the minimum, and one that falls to 0 settles."""
    x, y = floats(0, 200, 3), floats(1, 200, 1)
    model = bf.Sequential(3, [bf.Linear(1)], seed=0)
    moved = {}
    for name, lr in {"constant": 0.2, "falling": bf.linear_decay(0.2, steps=300)}.items():
        thetas = []
        bf.train(
            model, (x, y), loss="mse", estimator=RGE(4), update=bf.SGD(lr), batch_size=4, max_steps=300,
            engine="compiled", callbacks=lambda step, run, seen=thetas: seen.append(run.model.theta.copy()),
        )  # fmt: skip
        moved[name] = np.abs(np.diff(thetas[-20:], axis=0)).mean()
    assert moved["falling"] < 0.1 * moved["constant"]


BAD = [
    (lambda: bf.cosine_decay(0, 10), "start: expected a finite number > 0, got 0"),
    (lambda: bf.cosine_decay(0.1, 0), r"steps: expected an integer in \[1, 16777216\], got 0"),
    (lambda: bf.cosine_decay(0.1, 10, end=-1), "end: expected a finite number > 0, got -1"),
    (lambda: bf.cosine_decay(1e2, 10, end=1e39), r"end: expected a finite float32 number, got 1e\+39"),
    (lambda: bf.linear_decay(1e-6, 10, end=1e36), r"end / start: expected a normal float32 number, got 1e\+42"),
    (lambda: bf.linear_decay(1e30, 10, end=1e-10), "end / start: expected a normal float32 number, got 1e-40"),
    (lambda: bf.linear_decay(0.1, 10, warmup=-1), r"warmup: expected an integer in \[0, 16777216\], got -1"),
    (lambda: bf.linear_decay(0.1, 1.5), r"steps: expected an integer in .*, got 1\.5"),
    (lambda: bf.exponential_decay(0.1, 1.5), r"rate: expected a number in \(0, 1\], got 1\.5"),
    (lambda: bf.exponential_decay(0.1, 0.5, every=0), r"every: expected an integer in .*, got 0"),
    (lambda: bf.exponential_decay(0.1, 0.5, end=1), r"end: expected at most start=0\.1, got 1"),
    (lambda: bf.power_decay(0.1, 1.5), r"power: expected a number in \(0, 1\], got 1\.5"),
    (lambda: bf.power_decay(0.1, 0), "power: expected a finite number > 0, got 0"),
    (lambda: bf.power_decay(0.1, stability=-1), r"stability: expected an integer in \[0, 16777216\], got -1"),
    (lambda: bf.power_decay(0.1, end=1), r"end: expected at most start=0\.1, got 1"),
    (lambda: bf.spall_gains(0, 1), "a: expected a finite number > 0, got 0"),
    (lambda: bf.spall_gains(1, -1), "c: expected a finite number > 0, got -1"),
    (lambda: bf.spall_gains(1, 1, alpha=2), r"alpha: expected a number in \(0, 1\], got 2"),
    (lambda: bf.spall_gains(1, 1, gamma="a"), "gamma: expected a number, got 'a'"),
    (lambda: bf.spall_gains(1, 1, stability=1.5), r"stability: expected an integer in .*, got 1\.5"),
    (lambda: bf.RGE(mu=bf.cosine_decay(0.1, 10)), "mu: expected a schedule that stays above 0, got .* give it end="),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_wrong_use_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
