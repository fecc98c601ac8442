# SPDX-License-Identifier: MIT
"""Stale: what it hands on, against autograd and loops; equal bits; runs that are gone on with and replayed."""

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, device_loop, floats, make_engine, show
from oracle import Network
from quadratic import measured, quadratic
from quadratic import run as ask_and_tell

import bpfree as bf
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.trainer import Trainer

N = 8
NETWORK = Network()
MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(2)], seed=3)
GRAPH, D = MODEL.graph, MODEL.graph.n_theta
THETA = MODEL.theta + floats(7, D, scale=0.2)
LABELS = np.arange(N).astype(np.uint32) % 2
X = floats(6, N, 6)
CYCLIC = bf.CGE(0.3, mu=2.0**-8, order="cyclic")
PROBES = (CYCLIC, bf.CGE(0.2), bf.CGE(0.4, order="cyclic", mask_refresh=2), bf.CGE(0.4, ratios="erk"), bf.CGE())
probes = pytest.mark.parametrize("estimator", PROBES, ids=show)
decays = pytest.mark.parametrize("decay", [1.0, 0.75])


def trainer_of(update, estimator=CYCLIC, seed=7):
    return Trainer(GRAPH, MODEL.frozen, "cross_entropy", estimator, update, batch_size=N, seed=seed)


def known(trainer, records, decay, clip=np.inf):
    """By a loop over coordinates: (steps, D), what is known of each at each step."""
    value, since, seen = np.zeros(D), np.zeros(D, int), []
    for step, record in enumerate(records):
        since += 1
        for number, k in enumerate(trainer.estimator.coordinates(GRAPH, trainer.seed, step)):
            value[k], since[k] = min(max(record[0, number], -clip), clip), 0
        seen.append([value[k] * decay ** since[k] for k in range(D)])
    return np.array(seen)


def walk(trainer, records, engine=None, theta=THETA):
    """theta after each of the records, and the last state."""
    engine, state, seen = engine or trainer, trainer.initial_state(theta), []
    for step, record in enumerate(records):
        arguments = (theta, state, step, record.astype(theta.dtype))
        theta, state = engine.apply(*arguments) if engine is trainer else engine.apply(trainer, *arguments)
        seen.append(theta)
    return np.array(seen), state


@decays
@probes
def test_what_is_known_is_handed_on(estimator, decay):
    """float64: the last number of each coordinate, times decay for each step since; then SGD, and Momentum."""
    trainer = trainer_of(bf.chain(bf.clip(1.5), bf.Stale(decay), bf.SGD(0.1)), estimator)
    records = np.random.default_rng(1).normal(size=(9, *trainer.record_shape))
    expected = known(trainer, records, decay, clip=1.5)
    start = THETA.astype(np.float64)
    got, _ = walk(trainer, records, theta=start)
    np.testing.assert_allclose(got, start - 0.1 * np.cumsum(expected, axis=0), rtol=0, atol=1e-12)
    behind = trainer_of(bf.chain(bf.clip(1.5), bf.Stale(decay), bf.Momentum(0.1, beta=0.5)), estimator)
    velocity, theta = np.zeros(D), start
    for g, at in zip(expected, walk(behind, records, theta=start)[0], strict=True):
        velocity = 0.5 * velocity + g
        theta = theta - 0.1 * velocity
        np.testing.assert_allclose(at, theta, rtol=0, atol=1e-12)


def test_a_zero_is_news():
    """A partial derivative that is 0 takes the place of one that was not, in every engine."""
    trainer = trainer_of(bf.Stale())
    first, second = (trainer.estimator.coordinates(GRAPH, 7, step) for step in (0, 4))
    both = sorted(set(first) & set(second))
    assert both and set(first) != set(second)
    ones, zeros = np.ones(trainer.record_shape, np.float32), np.zeros(trainer.record_shape, np.float32)
    for engine in map(make_engine, ENGINES):
        theta, state = engine.apply(trainer, THETA, trainer.initial_state(THETA), 0, ones)
        assert sorted(np.flatnonzero(state[0])) == sorted(first)
        _, state = engine.apply(trainer, theta, state, 4, zeros)
        assert sorted(np.flatnonzero(state[0])) == sorted(set(first) - set(second))


@pytest.mark.parametrize(("decay", "steps"), [(1.0, 4), (1.0, 11), (0.5, 4), (0.5, 7)])
def test_after_a_cycle_at_rest_it_is_the_gradient(decay, steps):
    """Against autograd, with a step too small to move; with decay each is as old as its block."""
    true = NETWORK.gradient(THETA, X, labels=LABELS)
    trainer = trainer_of(bf.chain(bf.Stale(decay), bf.SGD(1e-30)), bf.CGE(0.3, mu=1e-3, order="cyclic"))
    theta, state, engine = THETA.astype(np.float64), [np.zeros(D)], ReferenceEngine(dtype=np.float64)
    probed_at = np.zeros(D)
    for step in range(steps):
        record = trainer.estimate(engine, theta, Batch(X, labels=LABELS), step).coefficients
        theta, state = trainer.apply(theta, state, step, record)
        probed_at[trainer.estimator.coordinates(GRAPH, 7, step)] = step
    ages = steps - probed_at  # at the next step
    assert set(ages) == {1, 2, 3, 4} or steps % 4
    np.testing.assert_allclose(state[0], true * decay**ages, rtol=0, atol=1e-5 * np.abs(true).max())


@decays
@pytest.mark.parametrize("engine", ["exact", "compiled"])
def test_training_is_descent_along_stale_gradients(engine, decay):
    """25 steps end where those with autograd's partial derivatives do, each as old as it is."""
    run = bf.train(
        bf.Model(GRAPH, THETA), (X, LABELS), estimator=CYCLIC, update=bf.chain(bf.Stale(decay), bf.SGD(0.3)),
        batch_size=N, max_steps=25, engine=engine, seed=7,
    )  # fmt: skip
    theta, remembered = THETA.astype(np.float64), np.zeros(D)
    for step in range(25):
        fresh, probed = NETWORK.gradient(theta, X, labels=LABELS), CYCLIC.coordinates(GRAPH, 7, step)
        remembered *= decay
        remembered[probed] = fresh[probed]
        theta = theta - 0.3 * remembered
    assert run.losses[-1] < 0.6 * run.losses[0]
    assert np.linalg.norm(run.model.theta - theta) < 1e-3 * np.linalg.norm(theta - THETA)


def test_with_all_coordinates_nothing_is_stale():
    records = floats(2, 4, 1, D)
    for engine in map(make_engine, ENGINES):
        with_it, _ = walk(trainer_of(bf.chain(bf.Stale(0.5), bf.Adam(0.1)), bf.CGE()), records, engine)
        without, _ = walk(trainer_of(bf.Adam(0.1), bf.CGE()), records, engine)
        assert_same_bits(with_it, without)


BEHIND = {
    "sgd": bf.chain(bf.Stale(), bf.SGD(0.05)),
    "all": bf.chain(bf.clip(0.5), bf.Stale(0.9), bf.Normalize(), bf.WeightDecay(1e-3), bf.Adam(0.02)),
}


@pytest.mark.parametrize("update", BEHIND.values(), ids=BEHIND)
@probes
def test_the_same_bits_in_every_engine_and_in_the_device_loop(estimator, update):
    trainer = trainer_of(update, estimator)
    loop, at = device_loop(trainer, X, LABELS), THETA
    held = [(engine, THETA, trainer.initial_state(THETA)) for engine in map(make_engine, ENGINES)]
    assert loop.state.size == trainer.n_state
    for step in range(7):
        at = loop.step(at, step)
        record = loop.coefficients.reshape(trainer.record_shape)
        held = [(engine, *engine.apply(trainer, theta, state, step, record)) for engine, theta, state in held]
        for _, theta, state in held:
            assert_same_bits(theta, at)
            assert_same_bits(np.concatenate(state), loop.state)
    assert loop.state.any()


@pytest.mark.parametrize("update", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("every", [1, 5])
def test_a_run_is_gone_on_with_and_replayed(tmp_path, update, every):
    model = bf.Model(GRAPH, THETA)
    settings = {"estimator": CYCLIC, "update": update, "batch_size": 4, "seed": 4}
    whole = bf.train(model, (X, LABELS), max_steps=14, engine="exact", **settings)
    files = {"checkpoint": tmp_path / "run.ckpt", "journal": tmp_path / "run.journal", "journal_every": every}
    bf.train(model, (X, LABELS), max_steps=6, engine="compiled", **settings, **files)
    run = bf.train(model, (X, LABELS), max_steps=14, engine="exact", resume=True, **settings, **files)
    assert run.model.hash == whole.model.hash
    assert_same_bits(np.concatenate(run.state), np.concatenate(whole.state))
    for engine in ENGINES:
        assert_same_bits(bf.replay(files["journal"], model, engine=make_engine(engine)), whole.model.theta)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ask_and_tell_is_saved_and_gone_on_with(tmp_path, dtype):
    settings = {"update": BEHIND["all"], "seed": 4, "theta0": np.zeros((1, 3), dtype)}
    estimator = bf.CGE(0.4, order="cyclic")
    undisturbed = ask_and_tell(estimator, max_steps=12, **settings)
    ask_and_tell(estimator, max_steps=5, **settings).save(tmp_path / "run.npz")
    second = estimator.start(**settings, max_steps=12).restore(tmp_path / "run.npz")
    for points in second:
        second.tell(measured(second, points))
    assert second.theta.tobytes() == undisturbed.theta.tobytes()


@pytest.mark.parametrize("order", ["random", "cyclic"])
def test_it_finds_the_minimum_of_a_quadratic(order):
    update = bf.chain(bf.Stale(), bf.SGD(0.1))
    sparse = bf.CGE(0.4, order=order)
    theta, _ = bf.minimize(quadratic, np.zeros(3), estimator=sparse, update=update, max_steps=400)
    best, _ = bf.minimize(quadratic, np.zeros(3), estimator=bf.CGE(), update=bf.SGD(0.1), max_steps=400)
    assert np.abs(theta - best).max() < 1e-6 and np.abs(best).max() > 0.1


BAD = [
    (lambda: bf.Stale(0), r"decay: expected a number in \(0, 1\], got 0"),
    (lambda: bf.Stale(1.5), r"decay: expected a number in \(0, 1\], got 1.5"),
    (lambda: bf.Stale(1e-40), "decay: expected a normal float32 number, got 1e-40"),
    (lambda: bf.Stale("a"), "decay: expected a number, got 'a'"),
    (lambda: bf.chain(bf.WeightDecay(0.1), bf.Stale()), "chain: Stale .* so it is the first link, and once"),
    (lambda: bf.chain(bf.Stale(), bf.Stale()), "chain: Stale .* so it is the first link, and once"),
    (lambda: bf.chain(bf.Stale(), bf.WindowMomentum()), "chain: WindowMomentum .* so it is the first link, and once"),
    (lambda: trainer_of(bf.Stale(), bf.RGE()), "update: Stale is for CGE, .* got rge: leave it out there"),
    (lambda: trainer_of(bf.Stale(), bf.Hybrid(20)), "update: Stale is for CGE, .* got hybrid"),
    (lambda: trainer_of(bf.Stale(), bf.CGE(0.5, rescale=True)), "rescale: expected rescale=False with Stale"),
    (lambda: bf.RGE().start(np.zeros(3), update=bf.Stale()), "got rge: leave it out there"),
    (lambda: bf.CGE(0.5, rescale=True).start(np.zeros(3), update=bf.Stale()), "rescale: expected rescale=False"),
    (lambda: bf.Stale().update(np.ones(3), [np.zeros(3)], np.ones(3), 0), r"record: .* which Stale.* looks at"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_wrong_use_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
