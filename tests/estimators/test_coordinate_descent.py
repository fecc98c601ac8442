"""Coordinate descent: only what lowers the loss is kept, on the same minibatch; the record makes the same moves."""

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, device_loop, floats, make_engine
from oracle import Network

import bpfree as bf
from bpfree.engines.batch import Batch
from bpfree.trainer import Trainer

MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(2)], seed=3)
GRAPH, D = MODEL.graph, MODEL.graph.n_theta
X, Y = floats(6, 40, 6), np.arange(40).astype(np.uint32) % 2
NETWORK = Network()
SGD_1 = bf.SGD(1.0)


def trainer_of(estimator, update=SGD_1):
    return Trainer(GRAPH, MODEL.frozen, "cross_entropy", estimator, update, batch_size=40)


def loss(theta):
    return NETWORK.loss(theta.astype(np.float64), X.astype(np.float64), labels=Y)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 1.0])
def test_it_is_greedy_search_written_again(fraction):
    """With losses by autograd's NumPy: the same moves, one after the other."""
    estimator = bf.CoordinateDescent(fraction, mu=0.05)
    trainer, theta = trainer_of(estimator), MODEL.theta
    for step in range(3):
        estimate = trainer.estimate(make_engine("exact"), theta, Batch(X, Y), step)
        at, trials = theta.copy(), 1
        for k in estimator.coordinates(GRAPH, 0, step):
            for move in (np.float32(0.05), -np.float32(0.05)):
                beside = at.copy()
                beside[k] += move
                trials += 1
                if loss(beside) < loss(at):
                    at = beside
                    break
        assert estimate.n_evaluations == trials and estimate.forwards == 40 * trials
        theta, _ = make_engine("exact").apply(trainer, theta, [], step, estimate.coefficients)
        assert_same_bits(theta, at)
    assert loss(theta) < loss(MODEL.theta)


def test_every_step_lowers_the_loss_of_its_minibatch():
    trainer, theta, batch = trainer_of(bf.CoordinateDescent(mu=0.02)), MODEL.theta, Batch(X, Y)
    engine, seen = make_engine(ENGINES[-1]), [loss(MODEL.theta)]
    for step in range(20):
        record = trainer.estimate(engine, theta, batch, step).coefficients
        assert set(np.unique(record)) <= {-np.float32(0.02), np.float32(0), np.float32(0.02)}
        theta, _ = engine.apply(trainer, theta, [], step, record)
        seen.append(loss(theta))
    assert (np.diff(seen) < 0).all() and seen[-1] < 0.9 * seen[0]


def test_moves_go_against_the_gradient():
    """Far from a minimum a small step is kept on the side the gradient says, for all but tiny entries."""
    true = NETWORK.gradient(MODEL.theta, X, labels=Y)
    trainer = trainer_of(bf.CoordinateDescent(1.0, mu=1e-3))
    record = trainer.estimate(make_engine("exact"), MODEL.theta, Batch(X, Y), 0).coefficients[0]
    large = np.abs(true) > 0.05 * np.abs(true).max()
    np.testing.assert_array_equal(np.sign(record[large]), np.sign(true[large]))


def test_the_device_leaves_theta_as_it_was_until_the_update():
    """What the trials moved is put back, or every move would be made twice."""
    trainer = trainer_of(bf.CoordinateDescent(mu=0.02))
    theta, loop = MODEL.theta + floats(2, D, scale=0.1), device_loop(trainer, X, Y)
    after, record = loop.step(theta, 0), loop.coefficients.reshape(trainer.record_shape)
    assert record.any()
    assert_same_bits(after, make_engine("exact").apply(trainer, theta, [], 0, record)[0])


@pytest.mark.parametrize("name", ENGINES)
def test_a_loss_that_is_not_finite_moves_nothing(name):
    theta = MODEL.theta.copy()
    theta[-1] = np.inf
    trainer = trainer_of(bf.CoordinateDescent(0.1))
    assert not trainer.estimate(make_engine(name), theta, Batch(X, Y), 0).finite


def test_checkpoint_resume_and_snapshots(tmp_path):
    settings = {"estimator": bf.CoordinateDescent(0.3, mu=0.05), "update": bf.SGD(1.0), "batch_size": 10}
    whole = bf.train(MODEL, (X, Y), max_steps=12, **settings)
    kept = {"checkpoint": tmp_path / "c.npz", "journal": tmp_path / "j", "journal_every": 4}
    bf.train(MODEL, (X, Y), max_steps=5, **kept, **settings)
    resumed = bf.train(MODEL, (X, Y), max_steps=12, resume=True, **kept, **settings)
    assert resumed.model.hash == whole.model.hash and resumed.evaluations == whole.evaluations
    assert_same_bits(bf.replay(tmp_path / "j", MODEL), whole.model.theta)
    assert whole.evaluations < whole.steps * whole.trainer.evaluations


@pytest.mark.parametrize(
    "update",
    [bf.SGD(0.1), bf.SignSGD(1.0), bf.chain(bf.clip(0.1), SGD_1), bf.chain(bf.WeightDecay(0.1), SGD_1)],
    ids=str,
)
def test_updates_that_make_other_moves_are_refused(update):
    assert trainer_of(bf.CoordinateDescent(), bf.chain(SGD_1)).n_state == 0
    with pytest.raises(ValueError, match=r"update: expected SGD\(1.0\) for Coo.*, got .*: write update=bf.SGD\(1.0\)"):
        trainer_of(bf.CoordinateDescent(), update)


def test_wrong_use_is_named():
    with pytest.raises(TypeError, match="got CoordinateDescent, each of whose points depends on the losses"):
        bf.CoordinateDescent().start(np.zeros(3))
    for fraction in (0, 1.5, -1):
        with pytest.raises(ValueError, match=r"fraction: expected a number in \(0, 1\]"):
            bf.CoordinateDescent(fraction)
    with pytest.raises(ValueError, match="mu: "):
        bf.CoordinateDescent(mu=-1)
