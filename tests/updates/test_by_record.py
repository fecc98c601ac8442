# SPDX-License-Identifier: MIT
"""Updates that see the record: normalised steps, and momentum rebuilt from a window of records."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import ENGINES, ESTIMATOR_SETTINGS, assert_same_bits, device_loop, fits, floats, make_engine, show
from quadratic import measured, quadratic
from quadratic import run as ask_and_tell

import bpfree as bf
from bpfree.directions import RANDOM
from bpfree.registry import host_only
from bpfree.trainer import Trainer

X, Y = floats(0, 30, 5), np.arange(30) % 3
MODEL = bf.Sequential(5, [bf.Linear(4), bf.Tanh(), bf.Linear(3)], seed=1)
SHORT = [s for rows in ESTIMATOR_SETTINGS.values() for s in (rows[0], rows[-1]) if fits(s, bf.WindowMomentum())]


def trainer_of(update, estimator=None):
    estimator = bf.RGE(n_queries=5) if estimator is None else estimator
    return Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", estimator, update, batch_size=6, seed=7)


def walk(trainer, records, theta=None, first=0):
    """theta after each of the records, in its precision, by NumPy."""
    theta = MODEL.theta.astype(np.float64) if theta is None else theta
    state, seen = trainer.initial_state(theta), []
    for step, record in enumerate(records, first):
        theta, state = trainer.apply(theta, state, step, record.astype(theta.dtype))
        seen.append(theta)
    return seen


@pytest.mark.parametrize("floor", [0.1, 0.9, 1.0])
@pytest.mark.parametrize("estimator", [bf.RGE(5), bf.RGE(3, grouping="layer"), bf.CGE(0.5)], ids=show)
def test_the_step_is_divided_by_the_deviation_of_the_differences(estimator, floor):
    """float64, by np.std: D is L+ - L- over 2 mu, before the mean over the queries is taken."""
    trainer = trainer_of(bf.chain(bf.Normalize(floor), bf.SGD(0.3)), estimator)
    record = np.random.default_rng(0).normal(2.0, 1.0, trainer.record_shape)
    differences = record * (1 if isinstance(estimator, bf.CGE) else estimator.n_queries)
    s = max(np.std(differences), floor * np.sqrt(np.mean(differences**2)))
    expected = MODEL.theta - 0.3 * trainer.gradient(4, record) / s
    np.testing.assert_allclose(walk(trainer, [record], first=4)[0], expected, rtol=1e-12)


def test_coefficients_are_cut_before_they_are_compared():
    record = np.array([[4.0, -0.25, 0.125, -9.0, 0.25]])
    cut = np.clip(record, -0.5, 0.5)
    one = walk(trainer_of(bf.chain(bf.clip(0.5), bf.Normalize(), bf.SGD(0.3))), [record])
    two = walk(trainer_of(bf.chain(bf.Normalize(), bf.SGD(0.3))), [cut])
    np.testing.assert_array_equal(one, two)


RECORDS = {
    "zero": [0.0, 0.0, 0.0, 0.0, 0.0],
    "equal": [0.3, 0.3, 0.3, 0.3, 0.3],
    "nearly equal": [1.0, 1.0, np.nextafter(np.float32(1), np.float32(2)), 1.0, 1.0],
    "subnormal": [1e-45, 0.0, -1e-45, 0.0, 0.0],
    "least": [0.0, 0.0, -1e-45, 0.0, 0.0],
    "tiny": [1e-30, -2e-30, 0.0, 1e-31, 1e-38],
    "huge": [1e37, -2e37, 0.0, 1e36, 1e38],
    "one": [0.0, 0.0, -3.0, 0.0, 0.0],
}


@pytest.mark.parametrize("name", RECORDS)
def test_nothing_is_divided_by_zero(name):
    """Any finite record gives a finite step, no longer than lr / floor times the sum of the directions."""
    trainer = trainer_of(bf.chain(bf.Normalize(), bf.SGD(0.5)))
    record = np.array([RECORDS[name]], np.float32)
    results = [make_engine(engine).apply(trainer, MODEL.theta, trainer.initial_state(MODEL.theta), 3, record)
               for engine in ENGINES]  # fmt: skip
    theta, state = results[0]
    moved = np.abs(theta - MODEL.theta)
    assert np.isfinite(theta).all() and state[0] > 0 and moved.max() <= 0.5 / 0.1 * 5
    assert (moved.max() == 0) == (name in ("zero", "least"))  # s is 1 where it rounds to 0
    for other, held in results[1:]:
        assert_same_bits(other, theta)
        assert_same_bits(held[0], state[0])


def test_one_query_is_a_direction():
    """std is 0 then, and s = floor |D|: the step is lr / floor times the direction."""
    trainer = trainer_of(bf.chain(bf.Normalize(0.5), bf.SGD(0.1)), bf.RGE(1))
    for coefficient in (1e-6, 3.0, -1e5):
        theta = walk(trainer, [np.array([[coefficient]])])[0]
        np.testing.assert_allclose(np.abs(theta - MODEL.theta), 0.1 / 0.5, rtol=1e-9)


@pytest.mark.parametrize("by", [2.0**10, 2.0**-10])
def test_the_scale_of_the_loss_does_not_matter(by):
    update = bf.chain(bf.Normalize(), bf.SGD(0.05))
    settings = {"estimator": bf.RGE(8), "update": update, "max_steps": 30}
    plain, history = bf.minimize(quadratic, np.zeros(3), **settings)
    scaled, _ = bf.minimize(lambda theta: by * quadratic(theta), np.zeros(3), **settings)
    assert np.array_equal(plain, scaled) and history.losses[-1] < history.losses[0]


def test_the_step_is_about_as_long_as_lr():
    """Along the gradient it has length 1 in the mean, whatever the slope: g / s is about grad / |grad|."""
    slope = np.linspace(-300, 400, 20)
    settings = {"update": bf.chain(bf.Normalize(), bf.SGD(1.0)), "max_steps": 1}
    steps = [ask_and_tell(bf.RGE(16), np.zeros(20), lambda ask, points: points @ slope, seed=seed, **settings).theta
             for seed in range(60)]  # fmt: skip
    assert np.mean(steps, axis=0) @ -slope / np.linalg.norm(slope) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("window", [1, 2, 5, 40])
@pytest.mark.parametrize("estimator", SHORT, ids=show)
def test_the_velocity_is_the_sum_over_the_window(estimator, window):
    """float64: v_t = sum_k beta^k g_{t-k} over the last `window` steps, each from its own record and step."""
    trainer = trainer_of(bf.WindowMomentum(0.1, beta=0.7, window=window), estimator)
    records = np.random.default_rng(1).normal(size=(9, *trainer.record_shape))
    gradients = np.array([trainer.gradient(step, record) for step, record in enumerate(records)])
    theta = MODEL.theta.astype(np.float64)
    for step, got in enumerate(walk(trainer, records)):
        first = max(0, step - window + 1)
        theta = theta - 0.1 * 0.7 ** np.arange(step - first, -1, -1) @ gradients[first : step + 1]
        np.testing.assert_allclose(got, theta, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("estimator", SHORT, ids=show)
def test_until_the_window_is_full_it_is_momentum(engine, estimator):
    """Bit for bit, from d floats and from a few."""
    window = trainer_of(bf.chain(bf.clip(0.7), bf.WindowMomentum(0.1, beta=0.8, window=6)), estimator)
    stored = trainer_of(bf.chain(bf.clip(0.7), bf.Momentum(0.1, beta=0.8)), estimator)
    held = {trainer: (MODEL.theta, trainer.initial_state(MODEL.theta)) for trainer in (window, stored)}
    engine = make_engine(engine)
    for step, record in enumerate(floats(2, 8, *window.record_shape)):
        held = {trainer: engine.apply(trainer, *at, step, record) for trainer, at in held.items()}
        if step < 6:
            assert_same_bits(held[window][0], held[stored][0])
    assert not np.array_equal(held[window][0], held[stored][0])


def test_its_state_is_the_records_of_the_window():
    trainer = trainer_of(bf.WindowMomentum(window=3), bf.RGE(2, grouping="layer"))
    records = floats(3, 5, 2, 2)
    theta, state = MODEL.theta, trainer.initial_state(MODEL.theta)
    assert trainer.n_state == state[0].size == 3 * 2 * 2
    for step, record in enumerate(records):
        theta, state = trainer.apply(theta, state, step, record)
    assert_same_bits(state[0].reshape(3, 2, 2), records[[3, 4, 2]])


def test_it_goes_on_at_the_last_steps_there_are():
    """Step numbers have 32 bits."""
    trainer = trainer_of(bf.WindowMomentum(0.1, window=3), bf.RGE(2, direction="sphere"))
    state = [floats(5, 6)]
    for step in (2**32 - 2, 2**32 - 1):
        results = [make_engine(name).apply(trainer, MODEL.theta, state, step, floats(6, 1, 2)) for name in ENGINES]
        for theta, _ in results[1:]:
            assert_same_bits(theta, results[0][0])


SEEING = {
    "normalised": bf.chain(bf.Normalize(), bf.SGD(0.05)),
    "window": bf.chain(bf.clip(0.5), bf.WindowMomentum(0.02, window=4), bf.Normalize()),
}


@pytest.mark.parametrize("update", SEEING.values(), ids=SEEING)
def test_a_run_is_gone_on_with_and_replayed(tmp_path, update):
    settings = {"estimator": bf.RGE(3, direction="sphere"), "update": update, "batch_size": 6, "seed": 4}
    whole = bf.train(MODEL, (X, Y), max_steps=14, engine="exact", **settings)
    files = {"checkpoint": tmp_path / "run.ckpt", "journal": tmp_path / "run.journal", "journal_every": 5}
    bf.train(MODEL, (X, Y), max_steps=7, engine="compiled", **settings, **files)
    run = bf.train(MODEL, (X, Y), max_steps=14, engine="exact", resume=True, **settings, **files)
    assert run.model.hash == whole.model.hash
    for engine in ENGINES:
        assert_same_bits(bf.replay(files["journal"], MODEL, engine=make_engine(engine)), whole.model.theta)


@pytest.mark.parametrize("update", SEEING.values(), ids=SEEING)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ask_and_tell_is_saved_and_gone_on_with(tmp_path, update, dtype):
    settings = {"update": update, "seed": 4, "theta0": np.zeros((1, 3), dtype)}
    undisturbed = ask_and_tell(max_steps=12, **settings)
    ask_and_tell(max_steps=5, **settings).save(tmp_path / "run.npz")
    second = bf.RGE(n_queries=4).start(**settings, max_steps=12).restore(tmp_path / "run.npz")
    for points in second:
        second.tell(measured(second, points))
    assert second.theta.tobytes() == undisturbed.theta.tobytes()


@pytest.mark.parametrize(
    "estimator",
    [*(bf.RGE(2, direction=direction, grouping="tensor") for direction in RANDOM), bf.Hybrid(20), bf.Hybrid(5000)],
    ids=show,
)
def test_the_device_loop_rebuilds_gradients(estimator):
    """With weights of the window's records in the work array, or rows, where directions are not drawn on read."""
    window, links = bf.WindowMomentum(0.05, window=3), [bf.Normalize()] if fits(estimator, bf.Normalize()) else []
    trainer = trainer_of(bf.chain(window, *links), estimator)
    loop, records = device_loop(trainer, X, Y.astype(np.uint32)), []
    at, (expected, state) = MODEL.theta, (MODEL.theta, trainer.initial_state(MODEL.theta))
    assert loop.work.size == trainer.n_work and loop.state.size == trainer.n_state
    for step in range(6):
        at = loop.step(at, step)
        records.append(loop.coefficients.reshape(trainer.record_shape).copy())
        expected, state = make_engine("exact").apply(trainer, expected, state, step, records[-1])
        assert_same_bits(at, expected)
    assert_same_bits(loop.state, np.concatenate(state))
    assert np.all([record.any() for record in records])


@pytest.mark.parametrize("update", SEEING.values(), ids=SEEING)
def test_estimators_that_c_lacks_give_the_same_bits(update, compiled):
    """C is handed the gradient then, which is not the record that these updates look at."""
    trainer = trainer_of(update)
    trainer.rows["estimator"] = replace(trainer.rows["estimator"], c=host_only("as if"))
    record, state = floats(8, *trainer.record_shape), trainer.initial_state(MODEL.theta)
    expected = make_engine("exact").apply(trainer, MODEL.theta, state, 3, record)
    got = compiled.apply(trainer, MODEL.theta, state, 3, record)
    assert_same_bits(got[0], expected[0])
    assert_same_bits(np.concatenate(got[1]), np.concatenate(expected[1]))


BAD = [
    (lambda: bf.Normalize(0), r"floor: expected a number in \(0, 1\], got 0"),
    (lambda: bf.Normalize(1.5), r"floor: expected a number in \(0, 1\], got 1.5"),
    (lambda: bf.Normalize("a"), "floor: expected a number, got 'a'"),
    (lambda: bf.WindowMomentum(window=0), r"window: expected an integer in \[1, 4096\], got 0"),
    (lambda: bf.WindowMomentum(window=2.5), r"window: expected an integer in \[1, 4096\], got 2.5"),
    (lambda: bf.WindowMomentum(beta=1), r"beta: expected a number in \[0, 1\), got 1"),
    (lambda: bf.WindowMomentum(lr=0), "lr: expected a finite number > 0, got 0"),
    (lambda: bf.chain(bf.WeightDecay(0.1), bf.WindowMomentum()), "so it is the first link, and once"),
    (lambda: bf.chain(bf.WindowMomentum(), bf.chain(bf.WindowMomentum())), "so it is the first link, and once"),
    (lambda: trainer_of(bf.WindowMomentum(), bf.CGE(0.5)), "short record of a step, .* got cge: use Momentum there"),
    (lambda: bf.CGE().start(np.zeros(3), update=bf.WindowMomentum()), "got cge: use Momentum there"),
    (lambda: bf.minimize(quadratic, np.zeros(3), estimator=bf.CGE(), update=bf.WindowMomentum(), max_steps=1), "cge"),
    (lambda: bf.train(MODEL, (X, Y), estimator=bf.CGE(), update=bf.WindowMomentum(), batch_size=8), "got cge"),
    (lambda: trainer_of(bf.chain(bf.Normalize(), bf.SGD()), bf.UnitWise()), "differences of losses, .* got unit_wise"),
    (lambda: trainer_of(bf.WindowMomentum(), bf.UnitWise()), "got unit_wise: use Momentum there"),
    (lambda: bf.Normalize().update(np.ones(3), [np.ones(1)], np.ones(3), 0), r"record: .* which Normalize.* looks at"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_wrong_use_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
